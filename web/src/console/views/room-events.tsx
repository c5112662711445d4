import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useStore } from "../../use-store";
import type { RoomShown } from "../model";
import { announce } from "../parts/announcer";
import { ProblemNote } from "../parts/problem-note";
import { fileNameOf, saveText } from "../parts/save";
import { KEY_TARGET } from "../parts/shortcuts";
import { openTail, type Tail, type TailEvent, type TailState } from "../tail";
import { bytesText, clockText, countText, plural } from "../text";

/** Records of the past that are shown at first, where the journal still has them. */
const PAST = 50;

/** Rows that are drawn; the export has all that match. */
const ROWS = 200;

/** How often a screen reader is told how many events came. */
const SUMMARY_EVERY_MS = 5000;

/** What may be looked at alone. */
const FILTERS = [
  { value: "", words: "all" },
  { value: "record", words: "records" },
  { value: "joined left", words: "people" },
  { value: "broadcast", words: "broadcasts" },
] as const;

/** What happens in the room, as it happens. */
export function EventsTab({ room, shown }: { room: string; shown: RoomShown }) {
  const tail = useTail(room, Math.max(1, shown.seq - PAST + 1));
  return tail === null ? null : <Events room={room} tail={tail} />;
}

function useTail(room: string, from: number): Tail | null {
  const [tail, setTail] = useState<Tail | null>(null);
  const first = useRef(from);
  useEffect(() => {
    const opened = openTail(room, first.current);
    setTail(opened);
    return () => opened.stop();
  }, [room]);
  return tail;
}

function Events({ room, tail }: { room: string; tail: Tail }) {
  const live = useStore(tail.state);
  const [frozen, setFrozen] = useState<TailState | null>(null);
  const [kind, setKind] = useState("");
  const [text, setText] = useState("");
  const looked = frozen ?? live;
  const matching = useMemo(
    () => looked.events.filter((one) => matches(one, kind, text)).reverse(),
    [looked, kind, text],
  );
  const waiting = frozen === null ? 0 : newer(frozen, live);
  useSummary(live, frozen !== null);
  const pause = () => {
    setFrozen(frozen === null ? live : null);
    announce(frozen === null ? "Paused" : "Going on");
  };
  const save = () => {
    const lines = matching.toReversed().map((one) => `${JSON.stringify(exported(one))}\n`);
    saveText(`${fileNameOf(room)}-events.jsonl`, "application/jsonl", lines.join(""));
    announce(`${plural(lines.length, "event")} exported`);
  };
  return (
    <section class="stack" aria-label="Events">
      <div class="filters">
        <div class="filter">
          <label for="event-kind">Show</label>
          <select
            class="field"
            id="event-kind"
            value={kind}
            onChange={(event) => setKind(event.currentTarget.value)}
          >
            {FILTERS.map((filter) => (
              <option key={filter.value} value={filter.value}>
                {filter.words}
              </option>
            ))}
          </select>
        </div>
        <div class="filter wide">
          <label for="event-text">Contains</label>
          <input
            class="field"
            id="event-text"
            type="search"
            autocomplete="off"
            spellcheck={false}
            data-key={KEY_TARGET.find}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
        <button
          type="button"
          class="button"
          data-key={KEY_TARGET.pause}
          aria-pressed={frozen !== null}
          onClick={pause}
        >
          {frozen === null ? "Pause" : waiting === 0 ? "Go on" : `Go on, ${countText(waiting)} new`}
        </button>
        <button type="button" class="button" disabled={matching.length === 0} onClick={save}>
          Export {plural(matching.length, "event")}
        </button>
      </div>
      <Stream state={live} />
      {matching.length === 0 ? (
        <div class="panel empty">
          <p>
            {looked.events.length === 0
              ? "Nothing has happened yet. Records are shown once they are on disk."
              : "No event is like that."}
          </p>
        </div>
      ) : (
        <EventTable events={matching} dropped={looked.dropped} />
      )}
    </section>
  );
}

function Stream({ state }: { state: TailState }) {
  const closed = state.events.at(-1);
  const detail = closed?.event === "closed" ? String(closed.data.detail ?? "") : "";
  switch (state.is) {
    case "connecting":
      return <p class="state">connecting</p>;
    case "open":
      return <p class="state on">live</p>;
    case "broken":
      return <p class="state off">broken off; it connects again by itself</p>;
    case "ended":
      return state.problem === null ? (
        <p class="state off">ended{detail === "" ? "" : `: ${detail}`}</p>
      ) : (
        <ProblemNote problem={state.problem} />
      );
  }
}

function EventTable({ events, dropped }: { events: TailEvent[]; dropped: number }) {
  return (
    <>
      <div class="table-frame">
        <table class="table stacking events">
          <caption class="visually-hidden">Events of the room, the latest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col" class="number">
                Seq
              </th>
              <th scope="col">What</th>
              <th scope="col">Who</th>
              <th scope="col">Detail</th>
            </tr>
          </thead>
          <tbody>
            {events.slice(0, ROWS).map((one) => (
              <EventRow key={one.key} one={one} />
            ))}
          </tbody>
        </table>
      </div>
      {(events.length > ROWS || dropped > 0) && (
        <p class="hint">
          {events.length > ROWS &&
            `The latest ${ROWS} of ${countText(events.length)} are shown; the export has all. `}
          {dropped > 0 && `${plural(dropped, "older event")} no longer kept.`}
        </p>
      )}
    </>
  );
}

function EventRow({ one }: { one: TailEvent }) {
  const { data } = one;
  const time = data.time_ms;
  const seq = data.seq;
  return (
    <tr>
      <td data-label="Time">{typeof time === "number" ? clockText(time) : "–"}</td>
      <td data-label="Seq" class="number">
        {typeof seq === "number" ? countText(seq) : "–"}
      </td>
      <td data-label="What">{one.event === "record" ? String(data.kind) : one.event}</td>
      <td data-label="Who">{whoOf(data)}</td>
      <td data-label="Detail" class="detail">
        {detailOf(one)}
      </td>
    </tr>
  );
}

function whoOf(data: Record<string, unknown>): string {
  if (typeof data.user === "string") return data.user;
  return typeof data.session === "number" ? `session ${data.session}` : "–";
}

function detailOf({ event, data }: TailEvent): string {
  const bytes = typeof data.bytes === "number" ? bytesText(data.bytes) : "";
  const document = typeof data.document === "string" ? data.document : null;
  switch (event) {
    case "record":
      return [document === null ? "" : document || "default document", bytes]
        .filter((part) => part !== "")
        .join(", ");
    case "joined":
      return `session ${data.session} through ${data.protocol}`;
    case "left":
      return `session ${data.session}`;
    case "broadcast":
      return typeof data.text === "string" ? data.text : bytes;
    case "missing":
      return `records ${data.from} to ${data.to} are no longer in the journal`;
    default:
      return String(data.detail ?? "");
  }
}

function matches(one: TailEvent, kind: string, text: string): boolean {
  if (kind !== "" && !kind.split(" ").includes(one.event)) return false;
  return text === "" || JSON.stringify(exported(one)).toLowerCase().includes(text.toLowerCase());
}

/** An event as it is exported: one object, what it is first. */
function exported({ event, data }: TailEvent): Record<string, unknown> {
  return { event, ...data };
}

function newer(frozen: TailState, live: TailState): number {
  return (live.events.at(-1)?.key ?? 0) - (frozen.events.at(-1)?.key ?? 0);
}

/** A screen reader hears a sum every few seconds, not each event. */
function useSummary(live: TailState, isPaused: boolean): void {
  const latest = useRef(live);
  latest.current = live;
  useEffect(() => {
    if (isPaused) return;
    let told = latest.current.events.at(-1)?.key ?? 0;
    const timer = setInterval(() => {
      const key = latest.current.events.at(-1)?.key ?? 0;
      if (key > told) announce(plural(key - told, "new event"));
      told = key;
    }, SUMMARY_EVERY_MS);
    return () => clearInterval(timer);
  }, [isPaused]);
}
