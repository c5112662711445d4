import { Awareness } from "y-protocols/awareness";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { createStore, type Store } from "../store";
import { roomPath } from "./name";

/** The states a connection goes through; the page, the code and the guides use the same words. */
export type ConnectionState = "connecting" | "connected" | "reconnecting" | "disconnected";

/** The close code and the words with which the server ended a connection. */
export interface Close {
  code: number;
  reason: string;
}

/** What is known of the connection now. */
export interface ConnectionView {
  state: ConnectionState;
  /** Attempts since the last time that the room's text was in step. */
  failedAttempts: number;
  /** The last close that came from the server, until the text is in step again. */
  lastClose: Close | null;
}

/** Marks the name of the shared text in the room's document; the page's code example uses it too. */
export const TEXT_NAME = "text";

/**
 * One session of this page in a room: the document, its presence and the link to the server.
 *
 * The link is an unmodified y-websocket provider. Its talk between windows of one browser is off, so
 * that whatever another window shows did travel through the server.
 */
export class RoomConnection {
  readonly doc = new Y.Doc();
  readonly text = this.doc.getText(TEXT_NAME);
  readonly awareness = new Awareness(this.doc);
  readonly #provider: WebsocketProvider;
  readonly #view = createStore<ConnectionView>({
    state: "connecting",
    failedAttempts: 0,
    lastClose: null,
  });
  #everConnected = false;
  #editsWait = false;

  /** Opens the room `name` at the Yjs door `door`, for example `ws://localhost:8080/yjs`. */
  constructor(door: string, name: string) {
    this.#provider = new WebsocketProvider(door, roomPath(name), this.doc, {
      awareness: this.awareness,
      connect: false,
      disableBc: true,
    });
    this.#listen();
    this.#provider.connect();
  }

  /** The state of the link. */
  get view(): Store<ConnectionView> {
    return this.#view;
  }

  /** Whether text was written here that no server has been offered yet. */
  get editsWait(): boolean {
    return this.#editsWait;
  }

  /** Tries again after the server ended the connection for good. */
  retry(): void {
    this.#provider.connect();
  }

  /** Tells the others that this session is leaving, ahead of the connection's own end. */
  announceLeaving(): void {
    this.awareness.setLocalState(null);
  }

  #listen(): void {
    const provider = this.#provider;
    provider.on("status", ({ status }) => {
      if (status === "connecting") this.#onConnecting();
    });
    provider.on("sync", (inStep: boolean) => {
      if (inStep) this.#onInStep();
    });
    provider.on("connection-close", (event) => this.#onClose(event));
    provider.on("closed", (close) => {
      this.#view.set({ ...this.#view.get(), state: "disconnected", lastClose: close });
    });
    this.doc.on("update", (_update: Uint8Array, _origin: unknown, _doc: Y.Doc, change) => {
      if (change.local && this.#view.get().state !== "connected") this.#editsWait = true;
    });
  }

  #onConnecting(): void {
    this.#renewPresence();
    const state = this.#everConnected ? "reconnecting" : "connecting";
    this.#view.set({ ...this.#view.get(), state });
  }

  /**
   * Makes presence on a new connection count as new, on both sides.
   *
   * Presence with a clock that is already known is ignored, and clocks outlive the states that a lost
   * connection removes: without this, sessions see one another again only after a renewal, up to 15
   * seconds later.
   */
  #renewPresence(): void {
    this.awareness.setLocalState(this.awareness.getLocalState());
    const { states, meta, clientID } = this.awareness;
    for (const id of [...meta.keys()]) {
      if (id !== clientID && !states.has(id)) meta.delete(id);
    }
  }

  #onInStep(): void {
    this.#everConnected = true;
    this.#editsWait = false;
    this.#view.set({ state: "connected", failedAttempts: 0, lastClose: null });
  }

  #onClose(event: CloseEvent | null): void {
    const before = this.#view.get();
    this.#view.set({
      state: this.#everConnected ? "reconnecting" : "connecting",
      failedAttempts: before.failedAttempts + 1,
      lastClose: event === null ? before.lastClose : { code: event.code, reason: event.reason },
    });
  }
}
