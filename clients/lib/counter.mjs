// Clients of a counter room: text frames over a plain WebSocket.

import { EventEmitter, once } from "node:events";
import WebSocket from "ws";
import { until, within } from "./wait.mjs";

const PATIENCE_MS = 20_000;

/** One client of `/ws/room/{room}`; emits `value` for each `new value: N`. */
export class CounterClient extends EventEmitter {
  #socket;
  /** The last value it was told; undefined before the first. */
  value = undefined;
  /** The highest value it was ever told. */
  highest = 0;
  /** How many increments it sent. */
  sent = 0;

  /** Connects. */
  static async join(server, room) {
    const client = new CounterClient();
    const socket = new WebSocket(server.url("ws", `/ws/room/${room}`));
    client.#socket = socket;
    socket.on("message", (data) => {
      const told = /^new value: (-?\d+)$/.exec(String(data));
      if (told === null) throw new Error(`a counter said ${data}`);
      client.value = Number(told[1]);
      client.highest = Math.max(client.highest, client.value);
      client.emit("value", client.value);
    });
    await within(PATIENCE_MS, "a counter's client is connected", once(socket, "open"));
    // A kill cuts the connection; what was told before is what counts.
    socket.on("error", () => {});
    return client;
  }

  increment() {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.sent += 1;
    this.#socket.send("increment");
  }

  /** Increments and waits for a value; gives it. */
  async next() {
    const value = once(this, "value");
    this.increment();
    const [told] = await within(PATIENCE_MS, "the counter answers", value);
    return told;
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
