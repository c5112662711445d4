import { useEffect, useState } from "preact/hooks";
import { askJson, type Problem, told } from "../api";
import type { RoomPage, RoomSummary } from "../model";
import { announce } from "../parts/announcer";
import { ProblemNote } from "../parts/problem-note";
import { KEY_TARGET } from "../parts/shortcuts";
import { hashOf, type Route, replaceRoute } from "../route";
import { agoText, countText, momentText, plural } from "../text";
import { useAsked } from "../use-asked";

type RoomsRoute = Extract<Route, { view: "rooms" }>;

/** Rooms that one request gives. */
const PAGE = 100;

/** How long after the last key the list is asked for. */
const TYPING_MS = 200;

/** How often the first page is looked at again. */
const LOOK_EVERY_MS = 5000;

/** The rooms, by the beginning of their names. */
export function RoomsView({ route }: { route: RoomsRoute }) {
  const query = queryOf(route);
  const first = useAsked(
    query,
    (signal) => askJson<RoomPage>(`./api/rooms?${query}`, { signal }),
    LOOK_EVERY_MS,
  );
  const more = useMore(query);
  const pages = first.value === null ? [] : [first.value, ...more.pages];
  const rooms = joined(pages);
  const next = pages.at(-1)?.next ?? null;
  const summary =
    first.value === null ? "" : `${plural(rooms.length, "room")}${next ? " so far" : ""}`;
  useEffect(() => {
    if (summary !== "") announce(summary);
  }, [summary]);
  return (
    <>
      <div class="view-head">
        <h1>Rooms</h1>
        <span class="hint">{summary}</span>
      </div>
      <Filters route={route} />
      <ProblemNote problem={first.problem} again={first.again} />
      {first.value !== null && rooms.length === 0 && <NoRooms route={route} />}
      {rooms.length > 0 && <RoomTable rooms={rooms} />}
      <ProblemNote problem={more.problem} />
      {next !== null && (
        <button type="button" class="button" disabled={more.busy} onClick={() => more.load(next)}>
          Show more rooms
        </button>
      )}
    </>
  );
}

function Filters({ route }: { route: RoomsRoute }) {
  const [typed, setTyped] = useState(route.prefix);
  useEffect(() => setTyped(route.prefix), [route.prefix]);
  useEffect(() => {
    if (typed === route.prefix) return;
    const timer = setTimeout(() => replaceRoute({ ...route, prefix: typed }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, route]);
  return (
    <search class="filters">
      <div class="filter wide">
        <label for="prefix">Name begins with</label>
        <input
          class="field"
          id="prefix"
          type="search"
          autocomplete="off"
          spellcheck={false}
          data-key={KEY_TARGET.find}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </div>
      <div class="filter">
        <label for="kind">Kind</label>
        <select
          class="field"
          id="kind"
          value={route.kind}
          onChange={(event) => replaceRoute({ ...route, kind: event.currentTarget.value })}
        >
          <option value="">any</option>
          <option value="collab">collab</option>
          <option value="service">service</option>
        </select>
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={route.loaded}
          onChange={(event) => replaceRoute({ ...route, loaded: event.currentTarget.checked })}
        />
        <span>In memory only</span>
      </label>
    </search>
  );
}

function RoomTable({ rooms }: { rooms: RoomSummary[] }) {
  const now = Date.now();
  return (
    <div class="table-frame">
      <table class="table stacking">
        <caption class="visually-hidden">Rooms in the order of their names</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Kind</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              People
            </th>
            <th scope="col" class="number">
              Seq
            </th>
            <th scope="col">Last change</th>
          </tr>
        </thead>
        <tbody>
          {rooms.map((room) => (
            <tr key={room.id}>
              <th scope="row">
                <a
                  class="room-link"
                  data-key={KEY_TARGET.row}
                  href={hashOf({ view: "room", room: room.id, tab: "people" })}
                >
                  {room.id}
                </a>
              </th>
              <td data-label="Kind">{room.kind}</td>
              <td data-label="State">
                <span class={room.loaded ? "state on" : "state"}>
                  {room.loaded ? "in memory" : "stored"}
                </span>
              </td>
              <td data-label="People" class="number">
                {countText(room.sessions)}
              </td>
              <td data-label="Seq" class="number">
                {countText(room.seq)}
              </td>
              <td data-label="Last change">
                {room.changed_ms === null ? (
                  "never"
                ) : (
                  <time
                    dateTime={new Date(room.changed_ms).toISOString()}
                    title={momentText(room.changed_ms)}
                  >
                    {agoText(room.changed_ms, now)}
                  </time>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NoRooms({ route }: { route: RoomsRoute }) {
  const filtered = route.prefix !== "" || route.kind !== "" || route.loaded;
  return (
    <div class="panel empty">
      <p>
        {filtered
          ? "No room is like that. The name is compared from its first letter, capitals count."
          : "There is no room yet. One is made by its first write: open the demo page, or connect a client."}
      </p>
    </div>
  );
}

function queryOf(route: RoomsRoute): string {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (route.prefix !== "") query.set("prefix", route.prefix);
  if (route.kind !== "") query.set("kind", route.kind);
  if (route.loaded) query.set("loaded", "true");
  return query.toString();
}

/** The first page is asked for again and again; a room may then be on it and on a later one. */
function joined(pages: RoomPage[]): RoomSummary[] {
  const rooms = new Map<string, RoomSummary>();
  for (const room of pages.flatMap((page) => page.rooms)) {
    if (!rooms.has(room.id)) rooms.set(room.id, room);
  }
  return [...rooms.values()];
}

/** The pages behind the first, which are asked for by hand. */
function useMore(query: string) {
  const none: { query: string; pages: RoomPage[]; problem: Problem | null; busy: boolean } = {
    query,
    pages: [],
    problem: null,
    busy: false,
  };
  const [state, setState] = useState(none);
  const now = state.query === query ? state : none;
  const load = async (after: string) => {
    setState({ ...now, busy: true, problem: null });
    try {
      const page = await askJson<RoomPage>(
        `./api/rooms?${query}&after=${encodeURIComponent(after)}`,
      );
      setState({ ...now, pages: [...now.pages, page], busy: false, problem: null });
    } catch (error) {
      setState({ ...now, busy: false, problem: told(error) });
    }
  };
  return { ...now, load };
}
