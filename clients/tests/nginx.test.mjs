// Behind nginx, with the very file of `deploy/nginx`: editors, counters, REST, and who is believed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { CounterClient } from "../lib/counter.mjs";
import { converged, editors } from "../lib/editor.mjs";
import { Nginx, nginx } from "../lib/nginx.mjs";
import { Server } from "../lib/server.mjs";

const PATIENCE_MS = 20_000;
const skip = nginx === undefined && "NOT PROVEN: nginx is not installed";

let server;
let proxy;
before(async () => {
  if (skip) return;
  server = await Server.start(undefined, { words: ["--trusted-proxies", "127.0.0.1"] });
  proxy = await Nginx.start(server);
});
after(async () => {
  await proxy?.dispose();
  await server?.dispose();
});

test("editors behind nginx converge with those before it", { skip }, async () => {
  const behind = await editors(2, proxy, "notes");
  const [direct] = await editors(1, server, "notes");
  const all = [...behind, direct];
  // More than nginx buffers at once.
  const long = "0123456789abcdef".repeat(16_384);
  behind[0].type(long);
  direct.type("!", 0);
  const whole = () => all.every(({ text }) => text.length === long.length + 1);
  await converged(all, whole, PATIENCE_MS, () => `lengths ${all.map((e) => e.text.length)}`);
  assert.equal(new Set(all.map(({ text }) => text.toString())).size, 1);
  for (const editor of all) editor.close();
});

test("a counter and REST answer through nginx", { skip }, async () => {
  const counter = await CounterClient.join(proxy, "counter/behind");
  assert.equal(await counter.next(), 1);
  assert.equal(await counter.next(), 2);
  counter.close();
  const ready = await fetch(proxy.url("http", "/readyz"));
  assert.equal(ready.status, 200);
  const shown = await fetch(proxy.url("http", "/api/rooms/counter%2Fbehind"));
  assert.equal(shown.status, 200, "an escaped slash reaches the server as it is");
  assert.equal((await shown.json()).id, "counter/behind");
  // A body above nginx's own bound of 1 MiB, and below that of the file.
  const text = "x".repeat(2 << 20);
  const address = proxy.url("http", "/api/rooms/behind/document/text?root=text");
  const headers = { "content-type": "text/plain" };
  const sent = await fetch(address, { method: "PUT", headers, body: text });
  assert.equal(sent.status, 200, await sent.text());
  assert.equal(await (await fetch(address)).text(), text);
});

/** What becomes of a handshake with these headers: `open`, or the status of the answer. */
async function handshake(path, headers) {
  const socket = new WebSocket(proxy.url("ws", path), { headers });
  const refused = once(socket, "unexpected-response").then(([, answer]) => answer.statusCode);
  const opened = once(socket, "open").then(() => "open");
  socket.on("error", () => {});
  refused.catch(() => {});
  opened.catch(() => {});
  const outcome = await Promise.race([opened, refused]);
  socket.terminate();
  return outcome;
}

test("a page of the same site gets in, and no header of a client helps another", { skip }, async () => {
  const page = { Origin: `http://${proxy.host}` };
  assert.equal(await handshake("/yjs/notes", page), "open");
  const elsewhere = { Origin: "https://elsewhere.example" };
  assert.equal(await handshake("/yjs/notes", elsewhere), 403);
  const lie = {
    ...elsewhere,
    "X-Forwarded-Host": "elsewhere.example",
    "X-Forwarded-Proto": "https",
    Forwarded: "for=1.2.3.4;host=elsewhere.example;proto=https",
  };
  assert.equal(await handshake("/yjs/notes", lie), 403);
});
