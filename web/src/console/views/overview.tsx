import { useEffect } from "preact/hooks";
import { askJson } from "../api";
import type { Attention, Named, Overview, Point } from "../model";
import { announce } from "../parts/announcer";
import { Chart } from "../parts/chart";
import { ProblemNote } from "../parts/problem-note";
import { KEY_TARGET } from "../parts/shortcuts";
import { Words } from "../parts/words";
import { ALL_ROOMS, hashOf } from "../route";
import { bytesText, countText, msText, plural, rateText, spanText } from "../text";
import { useAsked } from "../use-asked";

/** How often the figures are asked for. */
const LOOK_EVERY_MS = 5000;

/** The first page: what is wrong, then how much of everything. */
export function OverviewView() {
  const asked = useAsked(
    "overview",
    (signal) => askJson<Overview>("./api/overview", { signal }),
    LOOK_EVERY_MS,
  );
  const overview = asked.value;
  return (
    <>
      <div class="view-head">
        <h1>Overview</h1>
        {overview !== null && (
          <span class="hint">
            Greenroom {overview.version} · {overview.mode} · up {spanText(overview.uptime_s)}
          </span>
        )}
      </div>
      <ProblemNote problem={asked.problem} again={asked.again} />
      {overview !== null && (
        <>
          <NeedsAttention list={overview.attention} windowS={overview.window_s} />
          <Figures overview={overview} />
          <Traffic overview={overview} />
          <div class="columns">
            <Busiest rooms={overview.busiest} />
            <StoreAndProcess overview={overview} />
          </div>
        </>
      )}
    </>
  );
}

function NeedsAttention({ list, windowS }: { list: Attention[]; windowS: number }) {
  const errors = list.filter((one) => one.level === "error").length;
  const summary =
    list.length === 0
      ? "Nothing needs attention"
      : `${plural(list.length, "thing")} to look at, ${plural(errors, "error")}`;
  useEffect(() => announce(summary), [summary]);
  return (
    <section class="panel" aria-labelledby="attention-title">
      <div class="view-head">
        <h2 id="attention-title">Needs attention</h2>
        <span class="hint">last {spanText(Math.max(windowS, 10))}</span>
      </div>
      {list.length === 0 ? (
        <p class="state on">All is well: the server is ready and no limit was met.</p>
      ) : (
        <ul class="attention">
          {list.map((one) => (
            <li key={`${one.code} ${one.title} ${one.room}`} class={one.level}>
              <p class="attention-title">
                <span class="level">{one.level}</span>
                <strong>{one.title}</strong>
              </p>
              <p>
                {one.room !== null && (
                  <>
                    <a href={hashOf({ view: "room", room: one.room, tab: "people" })}>{one.room}</a>
                    {": "}
                  </>
                )}
                <Words text={one.detail} />
              </p>
              {one.hint !== null && (
                <p class="hint">
                  <Words text={one.hint} />
                </p>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Figures({ overview }: { overview: Overview }) {
  const connections = overview.connections.reduce((sum, one) => sum + one.value, 0);
  const last = overview.series.at(-1);
  const kinds = overview.connections
    .filter((one) => one.value > 0)
    .map((one) => `${one.name} ${countText(one.value)}`);
  return (
    <dl class="figures">
      <Figure name="Connections" value={countText(connections)}>
        {kinds.length === 0 ? "nobody is connected" : kinds.join(", ")}
      </Figure>
      <Figure name="People in rooms" value={countText(overview.sessions)}>
        a person may have several connections
      </Figure>
      <Figure name="Rooms" value={countText(overview.rooms_stored)}>
        {countText(overview.rooms_loaded)} in memory
      </Figure>
      <Figure name="Messages in" value={rateText(last?.received_per_s ?? 0)}>
        {rateText(last?.sent_per_s ?? 0)} out
      </Figure>
      <Figure name="Acknowledged in" value={msText(overview.ack.p50_ms)}>
        {overview.ack.p99_ms === null
          ? "nothing was written lately"
          : `1 in 100 takes longer than ${msText(overview.ack.p99_ms)}`}
      </Figure>
    </dl>
  );
}

interface FigureProps {
  name: string;
  value: string;
  children: preact.ComponentChildren;
}

function Figure({ name, value, children }: FigureProps) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd class="figure-value">{value}</dd>
      <dd class="hint">{children}</dd>
    </div>
  );
}

function Traffic({ overview }: { overview: Overview }) {
  const of = (pick: (point: Point) => number) => overview.series.map(pick);
  return (
    <section class="panel" aria-labelledby="traffic-title">
      <h2 id="traffic-title">Messages per second</h2>
      <Chart
        times={of((point) => point.at_ms)}
        lines={[
          { name: "out", values: of((point) => point.sent_per_s) },
          { name: "in", values: of((point) => point.received_per_s) },
        ]}
        text={rateText}
      />
    </section>
  );
}

function Busiest({ rooms }: { rooms: Named[] }) {
  return (
    <section class="panel" aria-labelledby="busiest-title">
      <h2 id="busiest-title">Busiest rooms</h2>
      {rooms.length === 0 ? (
        <p class="hint">Nobody is in a room now.</p>
      ) : (
        <ol class="busiest">
          {rooms.map((room) => (
            <li key={room.name}>
              <a
                data-key={KEY_TARGET.row}
                href={hashOf({ view: "room", room: room.name, tab: "people" })}
              >
                {room.name}
              </a>
              <span>{room.value === 1 ? "1 person" : `${countText(room.value)} people`}</span>
            </li>
          ))}
        </ol>
      )}
      <p>
        <a href={hashOf(ALL_ROOMS)}>All rooms</a>
      </p>
    </section>
  );
}

function StoreAndProcess({ overview }: { overview: Overview }) {
  const { store, process } = overview;
  const bytes = store.bytes.reduce((sum, one) => sum + one.value, 0);
  return (
    <section class="panel" aria-labelledby="machine-title">
      <h2 id="machine-title">Store and process</h2>
      <dl class="pairs">
        <dt>An answered write survives</dt>
        <dd>{SURVIVES[store.level] ?? store.level}</dd>
        <dt>Edits wait for their commit</dt>
        <dd>at most {store.commit_window_ms} ms</dd>
        {store.bytes.length > 0 && (
          <>
            <dt>On disk</dt>
            <dd>{bytesText(bytes)}</dd>
          </>
        )}
        {store.free_bytes !== null && (
          <>
            <dt>Free on that disk</dt>
            <dd>
              {bytesText(store.free_bytes)}
              {store.free_min_bytes !== null && `, ${bytesText(store.free_min_bytes)} must be`}
            </dd>
          </>
        )}
        <dt>Memory</dt>
        <dd>{bytesText(process.resident_bytes)}</dd>
        <dt>Processor</dt>
        <dd>{process.cpu.toFixed(2)} cores</dd>
        <dt>Descriptors</dt>
        <dd>
          {countText(process.open_fds)} of {countText(process.max_fds)}
        </dd>
        <dt>A task runs late by</dt>
        <dd>
          {msText(overview.lag.p50_ms)}, 1 in 100 {msText(overview.lag.p99_ms)}
        </dd>
      </dl>
    </section>
  );
}

const SURVIVES: Record<string, string> = {
  memory: "nothing: all is in memory",
  local: "a crash of this machine",
  replicated: "the loss of this machine",
};
