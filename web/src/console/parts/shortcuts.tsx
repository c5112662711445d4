import { useEffect, useRef } from "preact/hooks";
import { ALL_ROOMS, currentRoute, go, ROOM_TABS } from "../route";

/** What each key does; the list that `?` shows. */
const KEYS: readonly (readonly [string, string])[] = [
  ["/", "Find a room"],
  ["g then o", "Overview"],
  ["g then r", "Rooms"],
  ["j, k", "Next and previous row of a table"],
  ["Enter", "Open the row"],
  ["1 – 4", "People, data, events, settings of a room"],
  ["p", "Pause or go on with the events"],
  ["?", "This list"],
  ["Esc", "Close, or leave a field"],
];

/** How long `g` waits for the second key. */
const CHORD_MS = 1500;

/** Marks what a key presses or focuses, wherever it stands. */
export const KEY_TARGET = { find: "find", pause: "pause", row: "row" } as const;

let dialog: HTMLDialogElement | null = null;

/** Shows the list. */
export function openShortcuts(): void {
  dialog?.showModal();
}

/** Listens to the shortcuts, and is the list of them. */
export function Shortcuts() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog = ref.current;
    const listen = keyListener();
    document.addEventListener("keydown", listen);
    return () => {
      dialog = null;
      document.removeEventListener("keydown", listen);
    };
  }, []);
  return (
    <dialog class="dialog" ref={ref} aria-labelledby="shortcuts-title">
      <form method="dialog" class="stack">
        <h2 id="shortcuts-title">Keyboard shortcuts</h2>
        <table class="keys">
          <thead class="visually-hidden">
            <tr>
              <th scope="col">Key</th>
              <th scope="col">What it does</th>
            </tr>
          </thead>
          <tbody>
            {KEYS.map(([key, words]) => (
              <tr key={key}>
                <th scope="row">
                  <kbd>{key}</kbd>
                </th>
                <td>{words}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <div class="dialog-actions">
          <button type="submit" class="button">
            Close
          </button>
        </div>
      </form>
    </dialog>
  );
}

function keyListener(): (event: KeyboardEvent) => void {
  let chordUntil = 0;
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") !== null) return;
    const target = event.target as HTMLElement;
    if (target.closest("input:not([type=radio], [type=checkbox]), textarea, select") !== null) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const inChord = event.timeStamp < chordUntil;
    chordUntil = 0;
    const done = inChord ? second(event.key) : single(event.key);
    if (event.key === "g" && !inChord) chordUntil = event.timeStamp + CHORD_MS;
    if (done) event.preventDefault();
  };
}

function second(key: string): boolean {
  if (key === "o") go({ view: "overview" });
  else if (key === "r") go(ALL_ROOMS);
  else return false;
  return true;
}

function single(key: string): boolean {
  const route = currentRoute.get();
  switch (key) {
    case "?":
      openShortcuts();
      return true;
    case "/":
      if (target(KEY_TARGET.find) === null) {
        go(ALL_ROOMS);
        requestAnimationFrame(() => requestAnimationFrame(() => target(KEY_TARGET.find)?.focus()));
      } else target(KEY_TARGET.find)?.focus();
      return true;
    case "j":
    case "k":
      return step(key === "j" ? 1 : -1);
    case "p":
      target(KEY_TARGET.pause)?.click();
      return true;
    default: {
      const tab = ROOM_TABS[Number(key) - 1];
      if (route.view !== "room" || tab === undefined) return false;
      go({ ...route, tab });
      return true;
    }
  }
}

function target(name: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`[data-key="${name}"]`);
}

function step(by: number): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>(`[data-key="${KEY_TARGET.row}"]`)];
  if (rows.length === 0) return false;
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at === -1 ? (by > 0 ? 0 : rows.length - 1) : at + by;
  rows[Math.min(Math.max(next, 0), rows.length - 1)]?.focus();
  return true;
}
