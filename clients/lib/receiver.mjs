// A server of the user's own, as webhooks reach it.

import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { createHmac, timingSafeEqual } from "node:crypto";
import { until } from "./wait.mjs";

/** Beyond this something is wrong, not slow. */
const PATIENCE_MS = 30_000;

export const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** Takes requests, keeps those whose signature is good, and answers as the test says. */
export class Receiver extends EventEmitter {
  #server;
  /** What came: `{ path, headers, message, at }`, the message parsed. */
  got = [];
  /** What is wrong with what came. */
  wrong = [];
  /** Gives `{ status, body, headers }`, or nothing for 204. */
  answer = () => undefined;

  static async start() {
    const receiver = new Receiver();
    receiver.#server = createServer((request, response) => receiver.#take(request, response));
    receiver.#server.listen(0, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  url(path) {
    return `http://127.0.0.1:${this.#server.address().port}${path}`;
  }

  /** The variables of a server whose hooks come here. */
  environment(hooks) {
    return {
      GREENROOM_HOOKS: hooks.map(([hook, pattern]) => `${hook}:${pattern}=${this.url(`/${hook}`)}`).join(),
      GREENROOM_WEBHOOKS_SECRET: SECRET,
      GREENROOM_WEBHOOKS_PRIVATE: "127.0.0.1",
    };
  }

  async #take(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    if (!isGood(request.headers, body)) this.wrong.push(`${request.url}: the signature`);
    const got = {
      path: request.url,
      headers: request.headers,
      raw: body,
      message: JSON.parse(body),
      at: performance.now(),
    };
    const { status = 204, body: said, headers = {} } = (await this.answer(got)) ?? {};
    got.status = status;
    this.got.push(got);
    response.writeHead(status, headers);
    response.end(said);
    this.emit("got");
  }

  /** Waits until something came that `wanted` says yes to; gives it. */
  async wait(wanted, what, ms = PATIENCE_MS) {
    const said = () => `${what}; came: ${this.got.map((got) => got.path).join(" ")}`;
    await until(() => this.got.some(wanted), [[this, "got"]], ms, said);
    return this.got.find(wanted);
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function isGood(headers, body) {
  const key = Buffer.from(SECRET.slice("whsec_".length), "base64");
  const head = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`;
  const expected = createHmac("sha256", key).update(head).update(body).digest();
  const given = (headers["webhook-signature"] ?? "").split(" ");
  return given.some((one) => {
    const bytes = Buffer.from(one.replace(/^v1,/, ""), "base64");
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}
