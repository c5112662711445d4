// Peers of a Yjs room without a document each: a thousand of them fit into one process, so that it
// is the server that is looked at and not they.

import { EventEmitter } from "node:events";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import WebSocket from "ws";
import * as Y from "yjs";

const SYNC = 0;
const [STEP_1, STEP_2, UPDATE] = [0, 1, 2];
/** As y-websocket waits: twice as long each time. */
const [BACKOFF_MS, BACKOFF_MAX_MS] = [100, 2_500];

/** One peer; emits `open` when a handshake was answered and `synced` when it knows the room. */
export class Member extends EventEmitter {
  synced = false;
  #url;
  #socket;
  #attempts = 0;
  #timer;
  /** What it wrote, kept as an editor keeps it, since nothing tells it what is stored. */
  #held = [];

  constructor(server, room) {
    super();
    this.#url = () => server.url("ws", `/yjs/${room}`);
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(this.#url());
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.on("open", () => {
      this.#attempts = 0;
      this.emit("open");
      this.#send(STEP_1, Y.encodeStateVector(new Map()));
    });
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.#hear(new Uint8Array(data));
    });
    // What went wrong shows in the close that follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.synced = false;
      const wait = Math.min(BACKOFF_MS * 2 ** this.#attempts, BACKOFF_MAX_MS);
      this.#attempts += 1;
      this.#timer = setTimeout(() => this.#connect(), wait);
    });
  }

  #hear(bytes) {
    const decoder = decoding.createDecoder(bytes);
    if (decoding.readVarUint(decoder) !== SYNC) return;
    const step = decoding.readVarUint(decoder);
    if (step === STEP_1) this.#send(STEP_2, Y.mergeUpdates(this.#held));
    if (step === STEP_2 && !this.synced) {
      this.synced = true;
      this.emit("synced");
    }
  }

  #send(step, payload) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    encoding.writeVarUint(encoder, step);
    encoding.writeVarUint8Array(encoder, payload);
    this.#socket.send(encoding.toUint8Array(encoder));
  }

  /** Adds `entry` to the list that the room keeps. */
  add(entry) {
    const doc = new Y.Doc();
    doc.getArray("entries").push([entry]);
    const update = Y.encodeStateAsUpdate(doc);
    doc.destroy();
    this.#held.push(update);
    this.#send(UPDATE, update);
  }

  close() {
    this.#socket.removeAllListeners("close");
    clearTimeout(this.#timer);
    this.#socket.terminate();
  }
}
