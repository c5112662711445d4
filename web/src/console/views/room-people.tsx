import { useState } from "preact/hooks";
import { ask, askJson } from "../api";
import { type Present, type RoomShown, roomPath, type SessionShown } from "../model";
import { announce } from "../parts/announcer";
import { Confirm } from "../parts/confirm";
import { JsonTree } from "../parts/json-tree";
import { ProblemNote } from "../parts/problem-note";
import { KEY_TARGET } from "../parts/shortcuts";
import { agoText, bytesText, countText, momentText } from "../text";
import { useAsked } from "../use-asked";

/** How often presence is looked at. */
const LOOK_EVERY_MS = 2000;

/** Rows that are shown at first; a room may hold a thousand people. */
const ROWS = 100;

interface Props {
  room: string;
  shown: RoomShown;
  again: () => void;
}

/** Who is in the room, and what they show of themselves. */
export function PeopleTab({ room, shown, again }: Props) {
  const presence = useAsked(
    `presence ${room}`,
    (signal) => askJson<{ presence: Present[] }>(roomPath(room, "/presence"), { signal }),
    LOOK_EVERY_MS,
  );
  const [kicking, setKicking] = useState<SessionShown | null>(null);
  const [rows, setRows] = useState(ROWS);
  const { sessions } = shown;
  const shows = bySession(presence.value?.presence ?? []);
  return (
    <section class="stack" aria-label="People">
      <ProblemNote problem={presence.problem} again={presence.again} />
      {sessions.length === 0 ? (
        <div class="panel empty">
          <p>Nobody is in the room now.</p>
        </div>
      ) : (
        <div class="table-frame">
          <table class="table stacking">
            <caption class="visually-hidden">Sessions in the room</caption>
            <thead>
              <tr>
                <th scope="col">User</th>
                <th scope="col">Through</th>
                <th scope="col">Rights</th>
                <th scope="col">Since</th>
                <th scope="col" class="number">
                  Waiting
                </th>
                <th scope="col">Presence</th>
                <th scope="col">
                  <span class="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {sessions.slice(0, rows).map((session) => (
                <Row
                  key={session.id}
                  session={session}
                  presence={shows.get(session.id) ?? []}
                  kick={() => setKicking(session)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {sessions.length > rows && (
        <button type="button" class="button" onClick={() => setRows(rows + ROWS)}>
          Show more of {countText(sessions.length)} people
        </button>
      )}
      {kicking !== null && (
        <Confirm
          title={`Close the connection of ${nameOf(kicking)}?`}
          verb="Close it"
          act={async () => {
            await ask(roomPath(room, `/sessions/${kicking.id}`), { method: "DELETE" });
            announce(`${nameOf(kicking)} was closed`);
            again();
          }}
          close={() => setKicking(null)}
        >
          <p>
            Its session is closed as <code>kicked</code>. Clients do not come back by themselves,
            but whoever has a good token may connect again.
          </p>
        </Confirm>
      )}
    </section>
  );
}

interface RowProps {
  session: SessionShown;
  presence: Present[];
  kick: () => void;
}

function Row({ session, presence, kick }: RowProps) {
  return (
    <tr>
      <th scope="row">
        {nameOf(session)} <span class="tag">#{session.id}</span>
      </th>
      <td data-label="Through">
        {session.protocol}
        {session.document !== null && session.document !== "" && `, ${session.document}`}
      </td>
      <td data-label="Rights">{session.rights.join(", ")}</td>
      <td data-label="Since">
        <time
          dateTime={new Date(session.joined_ms).toISOString()}
          title={momentText(session.joined_ms)}
        >
          {agoText(session.joined_ms, Date.now())}
        </time>
      </td>
      <td data-label="Waiting" class="number">
        {bytesText(session.outbox_bytes)}
      </td>
      <td data-label="Presence" class="presence">
        {presence.length === 0 ? (
          <span class="hint">none</span>
        ) : (
          presence.map((one) => (
            <div key={one.client}>
              <span class="presence-name">{saidName(one.state)}</span>
              <JsonTree name={null} value={one.state} />
            </div>
          ))
        )}
      </td>
      <td class="actions-cell">
        <button type="button" class="button small" data-key={KEY_TARGET.row} onClick={kick}>
          Kick<span class="visually-hidden"> {nameOf(session)}</span>
        </button>
      </td>
    </tr>
  );
}

function nameOf(session: SessionShown): string {
  return session.user ?? "no name";
}

/** The name that somebody gives themselves, as editors for Yjs have it: nobody has checked it. */
function saidName(state: unknown): string | null {
  const user = (state as { user?: { name?: unknown } } | null)?.user;
  return typeof user?.name === "string" ? user.name : null;
}

function bySession(present: Present[]): Map<number, Present[]> {
  const map = new Map<number, Present[]>();
  for (const one of present) {
    const before = map.get(one.session);
    if (before === undefined) map.set(one.session, [one]);
    else before.push(one);
  }
  return map;
}
