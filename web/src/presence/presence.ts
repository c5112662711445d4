import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { createStore, type Store } from "../store";
import { type Identity, loadIdentity, saveIdentity } from "./identity";
import { type Peer, readPeers } from "./peers";

/** Changes of presence are gathered for so long before the list is read again. */
const GATHER_MS = 60;

/** Who is in the room: this session's own identity, which it publishes, and the other sessions. */
export class Presence {
  readonly #awareness: Awareness;
  readonly #text: Y.Text;
  readonly #identity = createStore<Identity>(loadIdentity());
  readonly #peers = createStore<Peer[]>([]);
  #gathering = false;

  constructor(awareness: Awareness, text: Y.Text) {
    this.#awareness = awareness;
    this.#text = text;
    awareness.on("change", () => this.#gather());
    // A change of the text moves the lines on which the others stand.
    text.observe(() => this.#gather());
    this.publish();
  }

  /** How this session shows itself. */
  get identity(): Store<Identity> {
    return this.#identity;
  }

  /** The other sessions in the room. */
  get peers(): Store<Peer[]> {
    return this.#peers;
  }

  /** Changes how this session shows itself, for the others and after a reload. */
  become(identity: Identity): void {
    saveIdentity(identity);
    this.#identity.set(identity);
    this.publish();
  }

  /** Shows this session to the others, under the keys that Yjs editors agree on. */
  publish(): void {
    const { name, colour } = this.#identity.get();
    const user = { name, color: colour, colorLight: `${colour}33` };
    this.#awareness.setLocalState({ ...this.#awareness.getLocalState(), user });
  }

  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    setTimeout(() => {
      this.#gathering = false;
      this.#peers.set(readPeers(this.#awareness, this.#text));
    }, GATHER_MS);
  }
}
