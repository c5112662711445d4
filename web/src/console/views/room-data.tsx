import { useEffect, useState } from "preact/hooks";
import { CopyButton } from "../../components/copy-button";
import { askJson } from "../api";
import { type PartShown, type RoomShown, roomPath } from "../model";
import { JsonTree } from "../parts/json-tree";
import { ProblemNote } from "../parts/problem-note";
import { fileNameOf, saveText } from "../parts/save";
import { bytesText, countText } from "../text";
import { useAsked } from "../use-asked";

/** A larger document is shown when somebody asks for it. */
const UNASKED_BYTES_MAX = 1_000_000;

/** What the room holds. */
export function DataTab({ room, shown }: { room: string; shown: RoomShown }) {
  const documents = shown.parts.filter((part) => part.part === "document");
  const [chosen, setChosen] = useState<string | null>(null);
  const current = documents.find((part) => part.name === chosen) ?? documents[0];
  return (
    <section class="stack" aria-label="Data">
      <Parts parts={shown.parts} chosen={current?.name} choose={setChosen} />
      {current === undefined ? (
        <div class="panel empty">
          <p>
            {shown.kind === "collab"
              ? "The room has no document yet: one is made by its first edit."
              : "The state of a service is bytes that only the service reads."}
          </p>
        </div>
      ) : (
        <DocumentPanel key={current.name} room={room} part={current} seq={shown.seq} />
      )}
    </section>
  );
}

interface PartsProps {
  parts: PartShown[];
  chosen: string | undefined;
  choose: (name: string) => void;
}

function Parts({ parts, chosen, choose }: PartsProps) {
  if (parts.length === 0) return null;
  return (
    <div class="table-frame">
      <table class="table stacking">
        <caption class="visually-hidden">Parts of the room</caption>
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col" class="number">
              Updates since its snapshot
            </th>
            <th scope="col" class="number">
              Waiting for their causes
            </th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part) => (
            <tr key={`${part.part} ${part.name}`}>
              <th scope="row">
                {part.part === "document" ? (
                  <button
                    type="button"
                    class="link-button"
                    aria-pressed={part.name === chosen}
                    onClick={() => choose(part.name)}
                  >
                    {documentName(part.name)}
                  </button>
                ) : (
                  part.part
                )}
              </th>
              <td data-label="Size" class="number">
                {bytesText(part.bytes)}
              </td>
              <td data-label="Updates" class="number">
                {countText(part.updates)}
              </td>
              <td data-label="Waiting" class="number">
                {countText(part.parked)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface DocumentProps {
  room: string;
  part: PartShown;
  seq: number;
}

function DocumentPanel({ room, part, seq }: DocumentProps) {
  const [wanted, setWanted] = useState(part.bytes <= UNASKED_BYTES_MAX);
  const name = documentName(part.name);
  return (
    <div class="panel">
      <h2>{name}</h2>
      {wanted ? (
        <DocumentTree room={room} part={part} seq={seq} />
      ) : (
        <>
          <p>This document has {bytesText(part.bytes)}; as a tree it takes much more.</p>
          <p>
            <button type="button" class="button small" onClick={() => setWanted(true)}>
              Show it anyway
            </button>
          </p>
        </>
      )}
    </div>
  );
}

function DocumentTree({ room, part, seq }: DocumentProps) {
  const query = `name=${encodeURIComponent(part.name)}`;
  const asked = useAsked(`${room} ${part.name}`, (signal) =>
    askJson<unknown>(roomPath(room, `/document/json?${query}`), { signal }),
  );
  const { again } = asked;
  const small = part.bytes <= UNASKED_BYTES_MAX;
  // A small document is followed; a large one is read again when somebody asks for that.
  useEffect(() => {
    if (small) again();
  }, [seq, small, again]);
  const text = asked.value === null ? "" : JSON.stringify(asked.value, null, 2);
  return (
    <>
      <ProblemNote problem={asked.problem} again={again} />
      {asked.value !== null && (
        <>
          <div class="toolbar">
            <CopyButton text={text} of={documentName(part.name)}>
              Copy as JSON
            </CopyButton>
            <button
              type="button"
              class="button"
              onClick={() =>
                saveText(`${fileNameOf(`${room}-${part.name}`)}.json`, "application/json", text)
              }
            >
              Save as file
            </button>
            <a
              class="button"
              href={roomPath(room, `/document?${query}`)}
              download={`${fileNameOf(`${room}-${part.name}`)}.yjs`}
            >
              Save as Yjs update
            </a>
            {!small && (
              <button type="button" class="button" onClick={again}>
                Read again
              </button>
            )}
          </div>
          <div class="tree">
            <JsonTree name={null} value={asked.value} open />
          </div>
        </>
      )}
    </>
  );
}

function documentName(name: string): string {
  return name === "" ? "default document" : name;
}
