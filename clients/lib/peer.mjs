// A peer of /yjs that sends what it likes: frames, not documents.

import { EventEmitter, once } from "node:events";
import net from "node:net";
import WebSocket from "ws";
import { within } from "./wait.mjs";

const PATIENCE_MS = 20_000;

/** Sync step 1 with an empty vector: the server answers it with a sync step 2. */
export const QUESTION = Uint8Array.of(0, 0, 1, 0);

/** One connection. */
export class Peer extends EventEmitter {
  socket;
  /** The close code, once it is closed. */
  code = undefined;

  static async connect(server, room) {
    const peer = new Peer();
    peer.socket = new WebSocket(server.url("ws", `/yjs/${room}`));
    peer.socket.on("message", (data) => {
      if (data[0] === 0 && data[1] === 1) peer.emit("answer");
    });
    peer.socket.on("error", () => {});
    peer.socket.on("close", (code) => {
      peer.code = code;
      peer.emit("end");
    });
    await within(PATIENCE_MS, "a peer is connected", once(peer.socket, "open"));
    return peer;
  }

  /** Sends a frame: binary, or text when it is a string. */
  send(frame) {
    if (this.code === undefined) this.socket.send(frame);
  }

  /** Sends a frame and waits until the server has dealt with it: it answers, or closes. */
  async survives(frame) {
    if (this.code === undefined) {
      const dealt = new Promise((resolve) => {
        const settle = () => {
          this.off("answer", settle);
          this.off("end", settle);
          resolve();
        };
        this.on("answer", settle);
        this.on("end", settle);
      });
      this.send(frame);
      this.send(QUESTION);
      await within(PATIENCE_MS, `an answer or a close after ${describe(frame)}`, dealt);
    }
    return this.code === undefined;
  }

  close() {
    this.socket.terminate();
  }
}

/** A frame in few characters, to try it again. */
export function describe(frame) {
  const hex = Buffer.from(frame).toString("hex");
  return hex.length <= 400 ? hex : `${hex.slice(0, 400)}.. (${frame.length} bytes)`;
}

/**
 * Sends raw bytes behind a handshake, for what no library would send; gives what the server said
 * until it ended the connection.
 */
export async function raw(server, room, bytes) {
  const [host, port] = server.host.split(":");
  const socket = net.connect(Number(port), host);
  socket.on("error", () => {});
  const said = [];
  socket.on("data", (data) => said.push(data));
  const ended = once(socket, "close");
  const head = [
    `GET /yjs/${room} HTTP/1.1`,
    `Host: ${server.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  for (const part of bytes) socket.write(part);
  await within(PATIENCE_MS, "the server ends the connection", ended);
  return Buffer.concat(said);
}
