// A stop under many connections, each with work in flight, and the start after it: nobody is lost,
// and nobody stampedes. What a kill does to them is in `restart.test.mjs`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arrivals, LOGS_ARRIVALS } from "../lib/arrivals.mjs";
import { Editor } from "../lib/editor.mjs";
import { runs } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { Member } from "../lib/swarm.mjs";
import { until } from "../lib/wait.mjs";

/** The promise speaks of 1,000, and of time; a quick look does with fewer, and does not. */
const PROMISED = runs >= 100;
const MEMBERS = PROMISED ? 1_000 : 150;
const ROOM_MEMBERS = 50;
/** What is promised: all back in, counted from when the server listens again. */
const BACK_MS = 10_000;
const HANDSHAKES_PER_S_MAX = 300;
/** For everybody to come in the first time, on a machine that does other things too. */
const JOIN_MS = 120_000;

let server;
let swarm = [];

before(async () => {
  server = await Server.start(() => LOGS_ARRIVALS);
});
after(async () => {
  for (const member of swarm) member.close();
  await server.dispose();
});

function enter(n) {
  return new Member(server, `drain/${Math.floor(n / ROOM_MEMBERS)}`);
}

function allSynced(ms) {
  const count = () => swarm.filter((member) => member.synced).length;
  const sources = swarm.map((member) => [member, "synced"]);
  return until(() => count() === MEMBERS, sources, ms, () => `${count()} of ${MEMBERS} are synced`);
}

/** What a newcomer, an unmodified provider, finds in each room. */
async function entries() {
  const rooms = Math.ceil(MEMBERS / ROOM_MEMBERS);
  const readers = Array.from({ length: rooms }, (_, n) => new Editor(server, `drain/${n}`));
  await Promise.all(readers.map((reader) => reader.synced(JOIN_MS)));
  const all = readers.flatMap((reader) => reader.doc.getArray("entries").toArray());
  for (const reader of readers) reader.close();
  return all;
}

/** Everybody writes, the server goes at once, and comes back. */
async function through(word, end) {
  for (const [n, member] of swarm.entries()) member.add(`${word} ${n}`);
  const gone = performance.now();
  await end();
  const before = server.said.length;
  await server.restart();
  const listening = performance.now();
  await allSynced(JOIN_MS);
  const back = performance.now() - listening;
  const { most } = arrivals(server.said.slice(before));
  console.log(
    `${word}: ${MEMBERS} back in ${back.toFixed(0)} ms, ` +
      `${(listening - gone).toFixed(0)} ms after the word to stop; ` +
      `at most ${most} handshakes in a second`,
  );
  const found = (await entries()).filter((entry) => entry.startsWith(word)).toSorted();
  assert.deepEqual(found, swarm.map((_, n) => `${word} ${n}`).toSorted(), "each is there once");
  if (!PROMISED) return;
  assert.ok(back <= BACK_MS, `back in ${back} ms`);
  assert.ok(most <= HANDSHAKES_PER_S_MAX, `${most} handshakes in a second`);
}

test("everybody comes in", async () => {
  swarm = Array.from({ length: MEMBERS }, (_, n) => enter(n));
  await allSynced(JOIN_MS);
});

test("a stop and a start lose nothing and cause no stampede", async () => {
  await through("stopped", async () => assert.equal(await server.stop(), 0));
});
