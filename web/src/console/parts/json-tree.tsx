import { useState } from "preact/hooks";

interface Props {
  /** The key under which the value stands; null at the top. */
  name: string | null;
  value: unknown;
  /** Whether it is open at first. */
  open?: boolean;
}

/** Entries that are shown at a time; a list may hold a hundred thousand. */
const ENTRIES = 100;

/** Characters of a text that are shown at first. */
const TEXT_CHARS = 500;

/** Any JSON value, to be opened level by level. What is closed is not drawn. */
export function JsonTree({ name, value, open = false }: Props) {
  const entries = entriesOf(value);
  if (entries === null) {
    return (
      <div class="leaf">
        <Name name={name} />
        <Leaf value={value} />
      </div>
    );
  }
  return <Branch name={name} entries={entries} isList={Array.isArray(value)} open={open} />;
}

interface BranchProps {
  name: string | null;
  entries: [string, unknown][];
  isList: boolean;
  open: boolean;
}

function Branch({ name, entries, isList, open }: BranchProps) {
  const [isOpen, setOpen] = useState(open);
  const [shown, setShown] = useState(ENTRIES);
  const size = `${entries.length} ${isList ? "item" : "key"}${entries.length === 1 ? "" : "s"}`;
  return (
    <details class="branch" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Name name={name} />
        <span class="size">
          {isList ? "[ ]" : "{ }"} {size}
        </span>
      </summary>
      {isOpen && (
        <ul>
          {entries.slice(0, shown).map(([key, inner]) => (
            <li key={key}>
              <JsonTree name={key} value={inner} />
            </li>
          ))}
          {entries.length > shown && (
            <li>
              <button type="button" class="link-button" onClick={() => setShown(shown + ENTRIES)}>
                {entries.length - shown} more
              </button>
            </li>
          )}
        </ul>
      )}
    </details>
  );
}

function Name({ name }: { name: string | null }) {
  if (name === null) return null;
  return (
    <>
      <span class="json-key">{name === "" ? "“”" : name}</span>
      <span class="json-colon">: </span>
    </>
  );
}

function Leaf({ value }: { value: unknown }) {
  const [all, setAll] = useState(false);
  if (typeof value !== "string") return <span class="json-plain">{String(value)}</span>;
  const isCut = !all && value.length > TEXT_CHARS;
  return (
    <>
      <span class="json-text">{JSON.stringify(isCut ? value.slice(0, TEXT_CHARS) : value)}</span>
      {isCut && (
        <button type="button" class="link-button" onClick={() => setAll(true)}>
          {value.length - TEXT_CHARS} more characters
        </button>
      )}
    </>
  );
}

function entriesOf(value: unknown): [string, unknown][] | null {
  if (typeof value !== "object" || value === null) return null;
  return Object.entries(value);
}
