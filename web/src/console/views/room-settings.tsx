import { useState } from "preact/hooks";
import { ask, askJson, Problem, told } from "../api";
import { type RoomShown, roomPath } from "../model";
import { announce } from "../parts/announcer";
import { Confirm } from "../parts/confirm";
import { ProblemNote } from "../parts/problem-note";
import { fileNameOf } from "../parts/save";
import { ALL_ROOMS, go } from "../route";
import { momentText } from "../text";

interface Props {
  room: string;
  shown: RoomShown;
  again: () => void;
}

/** What the room is: its own data, its times, its end. */
export function SettingsTab({ room, shown, again }: Props) {
  return (
    <div class="columns">
      <Metadata room={room} shown={shown} again={again} />
      <div class="stack">
        <section class="panel" aria-labelledby="times-title">
          <h2 id="times-title">Times</h2>
          <dl class="pairs">
            <dt>First record</dt>
            <dd>{momentOf(shown.created_ms)}</dd>
            <dt>Last record</dt>
            <dd>{momentOf(shown.changed_ms)}</dd>
            <dt>Next timer</dt>
            <dd>{momentOf(shown.next_wake_ms)}</dd>
          </dl>
        </section>
        <section class="panel" aria-labelledby="export-title">
          <h2 id="export-title">Export</h2>
          <p>
            The whole room as one file, which <code>greenroom room import</code> takes back.
          </p>
          <p>
            <a
              class="button"
              href={roomPath(room, "/export")}
              download={`${fileNameOf(room)}.room`}
            >
              Export the room
            </a>
          </p>
        </section>
        <Deletion room={room} />
      </div>
    </div>
  );
}

function momentOf(ms: number | null): string {
  return ms === null ? "none" : momentText(ms);
}

function Metadata({ room, shown, again }: Props) {
  const stored = JSON.stringify(shown.metadata, null, 2);
  const [edited, setEdited] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    if (edited === null) return;
    try {
      const body = objectOf(edited);
      await askJson(roomPath(room, "/metadata"), { method: "PUT", body });
      setEdited(null);
      setProblem(null);
      announce("The metadata is saved");
      again();
    } catch (error) {
      setProblem(told(error));
    }
  };
  return (
    <section class="panel" aria-labelledby="metadata-title">
      <h2 id="metadata-title">Metadata</h2>
      <p class="hint" id="metadata-hint">
        Data of your own about the room: any JSON object. People in the room do not see it.
      </p>
      <form class="stack" onSubmit={save}>
        <textarea
          class="field mono metadata"
          rows={10}
          spellcheck={false}
          aria-labelledby="metadata-title"
          aria-describedby="metadata-hint"
          value={edited ?? stored}
          onInput={(event) => setEdited(event.currentTarget.value)}
        />
        <ProblemNote problem={problem} />
        <div class="toolbar">
          <button type="submit" class="button primary" disabled={edited === null}>
            Save
          </button>
          {edited !== null && (
            <button
              type="button"
              class="button"
              onClick={() => {
                setEdited(null);
                setProblem(null);
              }}
            >
              Undo
            </button>
          )}
        </div>
      </form>
    </section>
  );
}

function objectOf(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem(0, "body", "This is not JSON.", (error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Problem(0, "body", "Metadata is an object.", 'Write it as {"key": "value"}.');
  }
  return value;
}

function Deletion({ room }: { room: string }) {
  const [asking, setAsking] = useState(false);
  return (
    <section class="panel" aria-labelledby="deletion-title">
      <h2 id="deletion-title">Delete the room</h2>
      <p>All that it holds is gone for good, and who is in it is sent away.</p>
      <p>
        <button type="button" class="button danger" onClick={() => setAsking(true)}>
          Delete…
        </button>
      </p>
      {asking && (
        <Confirm
          title="Delete this room?"
          verb="Delete the room"
          typed={room}
          act={async () => {
            await ask(roomPath(room), { method: "DELETE" });
            announce(`The room ${room} is deleted`);
            go(ALL_ROOMS);
          }}
          close={() => setAsking(false)}
        >
          <p>
            Its documents, its state and its journal are removed. A client that still has the
            document may bring it back when it connects again.
          </p>
        </Confirm>
      )}
    </section>
  );
}
