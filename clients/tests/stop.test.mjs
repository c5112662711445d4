// A graceful stop, and the start after it.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { Editor, editors } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";
import { until, within } from "../lib/wait.mjs";

/** Below what supervisors usually grant. */
const STOP_MS = 25_000;

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.dispose());

/** Asks on a connection that is kept; gives the status, or what went wrong. */
function ask(agent, path) {
  return new Promise((resolve) => {
    const request = http.get(server.url("http", path), { agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    request.on("error", (error) => resolve(error.code));
  });
}

test("a stop closes with 1012, loses nothing, and the next start is clean", async () => {
  const [writer, witness] = await editors(2, server, "stop/room");
  const counter = await CounterClient.join(server, "counter/stop");
  const value = await counter.next();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal(await ask(agent, "/readyz"), 200);
  // Typed right before the stop: the window has not passed, and a stop must not need it.
  writer.type("the last words");
  await witness.sees("the last words");
  const begun = performance.now();
  const stopped = server.stop();
  const closed = () => witness.closes.length > 0 && writer.closes.length > 0;
  const sources = [writer, witness].map((editor) => [editor.provider, "connection-close"]);
  await until(closed, sources, STOP_MS, () => "both editors are closed");
  const kept = await ask(agent, "/readyz");
  const fresh = await ask(new http.Agent(), "/readyz");
  assert.equal(await stopped, 0);
  const took = performance.now() - begun;
  console.log(`stopped in ${took.toFixed(0)} ms; /readyz meanwhile: kept ${kept}, new ${fresh}`);
  assert.ok(took < STOP_MS);
  for (const status of [kept, fresh]) assert.notEqual(status, 200);
  for (const editor of [writer, witness]) {
    assert.equal(editor.closes[0], 1012);
    editor.close();
  }
  counter.close();

  await server.restart();
  const late = await new Editor(server, "stop/room").synced();
  assert.equal(late.firstSight, "the last words");
  late.close();
  const again = await CounterClient.join(server, "counter/stop");
  assert.equal(await again.next(), value + 1);
  again.close();
});

test("editors who stay come back by themselves after a stop", async () => {
  const staying = await editors(3, server, "stop/stay");
  staying[0].type("before ");
  await Promise.all(staying.map((editor) => editor.sees("before ")));
  assert.equal(await server.stop(), 0);
  staying[1].type("while it was away ");
  await server.restart();
  await Promise.all(staying.map((editor) => editor.sees("while it was away ")));
  for (const editor of staying) editor.close();
});

test("a stop with nobody there is quick", async () => {
  assert.equal(await within(5_000, "an idle server stops", server.stop()), 0);
  await server.restart();
});

test("nothing of that was worth a warning", () => {
  const complaints = server.said.filter((line) => /warn|error|recover|damaged/i.test(line));
  assert.deepEqual(complaints, []);
});

test("a second server on the same data is refused with a sentence and a hint", async () => {
  const { code, text } = await server.rival();
  assert.equal(code, 1);
  assert.match(text, new RegExp(`data directory is in use by process ${server.pid}`));
  assert.match(text, /hint: /);
  assert.equal((await fetch(server.url("http", "/readyz"))).status, 200);
});
