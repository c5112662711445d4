import type { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { legibleColour } from "./colours";

/** The longest name that is shown, in characters; longer ones are cut. */
export const NAME_LENGTH_MAX = 32;

/** Sessions whose cursors are drawn. More would hide the text and cost time on each key. */
export const CURSORS_MAX = 64;

/** Another session of the room, made safe to show: its presence is whatever its client sent. */
export interface Peer {
  /** The Yjs client id, unique among the sessions of a room. */
  id: number;
  name: string;
  colour: string;
  /** Where its cursor stands in the text, `null` when it has none. */
  cursor: { anchor: number; head: number } | null;
}

/** Reads the sessions that presence knows of, without the own one, sorted by name. */
export function readPeers(awareness: Awareness, text: Y.Text): Peer[] {
  const peers: Peer[] = [];
  for (const [id, state] of awareness.getStates()) {
    if (id !== awareness.clientID) peers.push(readPeer(id, state, text));
  }
  return peers.sort((a, b) => a.name.localeCompare(b.name) || a.id - b.id);
}

/** Reads one presence state, and takes nothing in it for granted. */
export function readPeer(id: number, state: Record<string, unknown>, text: Y.Text): Peer {
  const user = (state.user ?? {}) as Record<string, unknown>;
  return {
    id,
    name: readableName(user.name) ?? "unnamed",
    colour: legibleColour(user.color, id),
    cursor: readCursor(state.cursor, text),
  };
}

/** The name without control and direction characters, cut to size; `null` when nothing is left. */
export function readableName(name: unknown): string | null {
  if (typeof name !== "string") return null;
  // Direction marks in a name could turn the text around it.
  const plain = name.replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "").trim();
  return plain === "" ? null : Array.from(plain).slice(0, NAME_LENGTH_MAX).join("");
}

function readCursor(cursor: unknown, text: Y.Text): Peer["cursor"] {
  const ends = (cursor ?? {}) as Record<string, unknown>;
  const anchor = resolve(ends.anchor, text);
  const head = resolve(ends.head, text);
  return anchor === null || head === null ? null : { anchor, head };
}

function resolve(position: unknown, text: Y.Text): number | null {
  if (position === null || typeof position !== "object" || text.doc === null) return null;
  try {
    const relative = Y.createRelativePositionFromJSON(position);
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, text.doc);
    return absolute?.type === text ? absolute.index : null;
  } catch {
    // Not a position of this document: a client of another kind, or a broken one.
    return null;
  }
}
