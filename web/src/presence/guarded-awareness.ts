import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { CURSORS_MAX, type Peer, readPeer } from "./peers";

type States = ReturnType<Awareness["getStates"]>;

/**
 * The room's presence as the editor may see it: the same object in all but `getStates`, which hands
 * out only cursors that exist, names of sane length and colours that can be read.
 *
 * The editor binding writes a session's colour into a style attribute and resolves its cursor as it
 * came; both are the choice of whoever else is in the room.
 */
export function guardAwareness(awareness: Awareness, text: Y.Text): Awareness {
  return new Proxy(awareness, {
    get(target, property) {
      if (property === "getStates") return () => guardStates(target, text);
      const value = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function guardStates(awareness: Awareness, text: Y.Text): States {
  const guarded: States = new Map();
  for (const [id, state] of awareness.getStates()) {
    if (guarded.size === CURSORS_MAX) break;
    const peer = readPeer(id, state, text);
    if (id !== awareness.clientID && peer.cursor !== null) {
      guarded.set(id, { cursor: state.cursor, user: cursorLook(peer) });
    }
  }
  return guarded;
}

function cursorLook(peer: Peer): Record<string, string> {
  return {
    name: peer.name,
    // The binding redraws a caret only when its colour is another string. The comment makes it one
    // for another session and for another name, and CSS does not see it.
    color: `${peer.colour}/*${peer.id}.${fingerprint(peer.name)}*/`,
    colorLight: `${peer.colour}3d`,
  };
}

function fingerprint(text: string): number {
  let sum = 0;
  for (const char of text) sum = (Math.imul(sum, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return sum;
}
