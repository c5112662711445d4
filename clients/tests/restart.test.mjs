// A restart under many connections, each with work in flight: row F16 of docs/faults.md.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arrivals, LOGS_ARRIVALS } from "../lib/arrivals.mjs";
import { editors } from "../lib/editor.mjs";
import { runs } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";

const CONNECTIONS = Math.min(1_000, runs * 20);
const IN_A_ROOM = 50;
const BACK_MS = 10_000;
/** Beyond this something is wrong, not slow. */
const PATIENCE_MS = 30_000;
const HANDSHAKES_PER_S_MAX = 300;

let server;
before(async () => {
  server = await Server.start(() => LOGS_ARRIVALS);
});
after(() => server.dispose());

/** Waits until all of a room are back and have all that was typed in it. */
function complete(room, marks, all) {
  const length = room.reduce((sum, editor) => sum + marks[all.indexOf(editor)].length, 0);
  const has = (editor) => editor.provider.synced && editor.text.length === length;
  const sources = room.flatMap((editor) => [
    [editor.doc, "update"],
    [editor.provider, "sync"],
  ]);
  const found = () => `${room.filter(has).length} of ${room.length} are back and whole`;
  return until(() => room.every(has), sources, PATIENCE_MS, found);
}

test(`${CONNECTIONS} connections with work in flight are back within 10 s`, async (t) => {
  const rooms = [];
  for (let room = 0; room * IN_A_ROOM < CONNECTIONS; room += 1) {
    rooms.push(await editors(IN_A_ROOM, server, `restart/${room}`));
  }
  const all = rooms.flat();
  t.after(() => all.forEach((editor) => editor.close()));
  // In flight: the server is gone before it can have kept them.
  const marks = all.map((_, at) => `[${at}]`);
  for (const [at, editor] of all.entries()) editor.type(marks[at], 0);
  await server.kill();
  const before = server.said.length;
  await server.restart();
  const up = performance.now();
  await Promise.all(rooms.map((room) => complete(room, marks, all)));
  const took = performance.now() - up;
  for (const [at, editor] of all.entries()) {
    assert.equal(editor.text.toString().split(marks[at]).length, 2, "each is there once");
  }
  const { most, all: handshakes } = arrivals(server.said.slice(before));
  console.log(
    `${CONNECTIONS} back in ${took.toFixed(0)} ms, ${handshakes} handshakes, at most ${most} in a second`,
  );
  assert.ok(took <= BACK_MS);
  assert.ok(most <= HANDSHAKES_PER_S_MAX);
});
