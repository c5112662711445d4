// Clients of a counter room: text frames over a plain WebSocket.

import { EventEmitter, once } from "node:events";
import WebSocket from "ws";
import { until, within } from "./wait.mjs";

const PATIENCE_MS = 20_000;

/**
 * One client of `/ws/room/{room}`; emits `value` for each `new value: N`, `refused` with the code of
 * each refusal, `closed` with the close code.
 */
export class CounterClient extends EventEmitter {
  #socket;
  /** The last value it was told; undefined before the first. */
  value = undefined;
  /** The highest value it was ever told. */
  highest = 0;
  /** How many increments it sent. */
  sent = 0;
  /** The close code, once it is closed. */
  code = undefined;

  /** Connects. */
  static async join(server, room) {
    const client = new CounterClient();
    const socket = new WebSocket(server.url("ws", `/ws/room/${room}`));
    client.#socket = socket;
    socket.on("message", (data) => {
      const told = /^new value: (-?\d+)$/.exec(String(data));
      const { error } = told === null && data[0] === 0x7b ? JSON.parse(String(data)) : {};
      if (error !== undefined) {
        client.emit("refused", error.code);
        return;
      }
      if (told === null) throw new Error(`a counter said ${data}`);
      client.value = Number(told[1]);
      client.highest = Math.max(client.highest, client.value);
      client.emit("value", client.value);
    });
    await within(PATIENCE_MS, "a counter's client is connected", once(socket, "open"));
    // A kill cuts the connection; what was told before is what counts.
    socket.on("error", () => {});
    socket.on("close", (code) => {
      client.code = code;
      client.emit("closed", code);
    });
    return client;
  }

  increment() {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.sent += 1;
    this.#socket.send("increment");
  }

  /** Increments and waits for a value; gives it. */
  async next() {
    const told = await this.ask();
    if (typeof told !== "number") throw new Error(`the counter refused: ${told}`);
    return told;
  }

  /**
   * Increments and waits for what comes of it: a value, or why there is none, the code of a refusal
   * or `closed` with the close code.
   */
  async ask() {
    if (this.code !== undefined) return `closed ${this.code}`;
    const ended = new AbortController();
    const { signal } = ended;
    const one = Promise.race([
      once(this, "value", { signal }).then(([value]) => value),
      once(this, "refused", { signal }).then(([code]) => code),
      once(this, "closed", { signal }).then(([code]) => `closed ${code}`),
    ]);
    this.increment();
    try {
      return await within(PATIENCE_MS, "the counter answers", one);
    } finally {
      ended.abort();
    }
  }

  /** Waits until it was told `value` or more. */
  async reaches(value) {
    const reached = () => this.highest >= value;
    await until(reached, [[this, "value"]], PATIENCE_MS, () => `${this.highest} reaches ${value}`);
  }

  close() {
    this.#socket.terminate();
  }
}
