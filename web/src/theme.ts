import { keep, readKept } from "./local";
import { createStore, type Store } from "./store";

/** `auto` follows the system; the two others are a choice kept in this browser. */
export type Theme = "auto" | "light" | "dark";

/** The choices in the order in which the switch shows them. */
export const THEMES: readonly Theme[] = ["auto", "light", "dark"];

// `public/theme.js` reads the same key before the first paint.
const KEY = "greenroom.theme";
const storage = () => window.localStorage;

const theme = createStore<Theme>(readTheme());

/** The theme in force. */
export const currentTheme: Store<Theme> = theme;

/** Applies a theme at once and keeps it for the next visit. */
export function chooseTheme(next: Theme): void {
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  keep(storage, KEY, next === "auto" ? null : next);
  theme.set(next);
}

function readTheme(): Theme {
  const kept = readKept(storage, KEY);
  return kept === "light" || kept === "dark" ? kept : "auto";
}
