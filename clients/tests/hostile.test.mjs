// Hostile peers in a room where people edit: nobody but they notices.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Editor } from "../lib/editor.mjs";
import {
  claims,
  corpus,
  dear,
  fixtureFrames,
  mutated,
  presence,
  truncations,
  wrongTypes,
} from "../lib/hostile.mjs";
import { describe, Peer, QUESTION, raw } from "../lib/peer.mjs";
import { Random, seed } from "../lib/random.mjs";
import { Server } from "../lib/server.mjs";
import { Crowd } from "../lib/typing.mjs";
import { until } from "../lib/wait.mjs";

const MUTATIONS = 10_000;
/** Connections that send mutations at the same time. */
const LANES = 8;
/** What a frame of 64 KiB may cost, in KiB. */
const FRAME_COST_MAX = 16 << 10;

let server;
let pid;
/** The room of the test that runs, a new one for each, and who edits there. */
let room;
let crowd;
let tests = 0;
/** How often Yjs said that it could not read what the server relayed. */
let unread = 0;

// The provider catches what Yjs throws, prints it and goes on.
const print = console.error;
console.error = (...words) => {
  if (String(words[0]).startsWith("Caught error while handling a Yjs update")) unread += 1;
  else print(...words);
};

before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  server = await Server.start();
  pid = server.pid;
});
after(() => server.dispose());

beforeEach(async () => {
  tests += 1;
  room = `hostile/${tests}`;
  crowd = await Crowd.join(2, server, room, new Random(5));
  crowd.start(20);
});

/** After each attack: nobody left, all is typed, and a stranger gets it too. */
afterEach(async () => {
  crowd.pause();
  await crowd.settled(10_000);
  assert.equal(server.pid, pid);
  assert.ok(server.alive, server.said.join("\n"));
  for (const editor of crowd.editors) assert.deepEqual(editor.statuses, ["connected"]);
  const fresh = await new Editor(server, room).synced();
  assert.deepEqual(crowd.faults(fresh.firstSight), { lost: 0, doubled: 0 });
  assert.equal(fresh.firstSight, crowd.editors[0].text.toString());
  fresh.close();
  crowd.close();
});

/** Sends frames one after the other, on a new connection after each close; gives the codes. */
async function attack(frames) {
  const codes = new Map();
  let peer = await Peer.connect(server, room);
  for (const frame of frames) {
    const survived = await peer.survives(frame);
    const outcome = survived ? "stays" : peer.code;
    codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
    if (!survived) peer = await Peer.connect(server, room);
  }
  peer.close();
  return codes;
}

/** As `attack`, on several connections at a time. */
async function attackInLanes(frames) {
  const parts = Array.from({ length: LANES }, (_, lane) =>
    frames.filter((_, at) => at % LANES === lane),
  );
  const codes = new Map();
  for (const part of await Promise.all(parts.map(attack))) {
    for (const [outcome, count] of part) codes.set(outcome, (codes.get(outcome) ?? 0) + count);
  }
  return codes;
}

const shown = (codes) => [...codes].map(([code, count]) => `${code}: ${count}`).join(", ");

/**
 * Gives what a frame cost the server at its peak, in KiB of resident memory over what it had
 * before: what is measured from outside instead of allocations.
 */
async function costOf(frame) {
  const peer = await Peer.connect(server, room);
  server.resetPeak();
  const before = server.memory();
  await peer.survives(frame);
  const cost = server.memory().peak - before.rss;
  assert.ok(cost <= FRAME_COST_MAX, `it cost ${cost} KiB: ${describe(frame)}`);
  peer.close();
  return cost;
}

/** The dearest of several, each measured alone. */
async function dearestOf(named) {
  let dearest = "nothing cost anything";
  let most = 0;
  for (const [name, frame] of named) {
    const cost = await costOf(frame);
    if (cost > most) dearest = `dearest: ${name}, ${cost} KiB at its peak`;
    most = Math.max(most, cost);
  }
  return dearest;
}

test("the poison pill and the allocation bomb", async () => {
  console.log(await dearestOf(fixtureFrames()));
});

test("wrong types", async () => {
  const codes = await attack(wrongTypes().map(([, frame]) => frame));
  console.log(shown(codes));
  assert.deepEqual([...codes.keys()], [4400]);
});

test("claims of 100 MB", async () => {
  console.log(await dearestOf(claims()));
});

for (const [name, frame] of dear()) {
  test(`64 KiB, as dear as they can be: ${name}`, async () => {
    console.log(`${await costOf(frame)} KiB at its peak`);
  });
}

test("a burst beyond the rate delays its sender only", async () => {
  const peer = await Peer.connect(server, room);
  // The rate counts messages: those that come alone, and those that share a frame.
  for (let at = 0; at < 2_500; at += 1) peer.send(QUESTION);
  peer.send(Uint8Array.from(Array(1_000).fill([...QUESTION]).flat()));
  peer.send(presence(99));
  const [editor] = crowd.editors;
  const heard = () => editor.provider.awareness.getStates().has(99);
  const sources = [[editor.provider.awareness, "change"]];
  await until(heard, sources, 20_000, () => "what came behind the burst is heard");
  assert.equal(peer.code, undefined);
  peer.close();
});

test("a WebSocket frame that claims 100 MB", async () => {
  server.resetPeak();
  const before = server.memory();
  // A masked binary frame of 100,000,000 bytes, with a few of them.
  const head = Buffer.from("82ff0000000005f5e10000000000", "hex");
  const said = await raw(server, room, [head, Buffer.alloc(1_000)]);
  // The close frame, with code 4400.
  assert.ok(said.includes(Buffer.from("1130", "hex")), said.toString("latin1"));
  const cost = server.memory().peak - before.rss;
  assert.ok(cost <= FRAME_COST_MAX, `it cost ${cost} KiB`);
});

test("truncations", async () => {
  const codes = await attackInLanes(corpus().flatMap(truncations));
  console.log(shown(codes));
});

test("mutations", async () => {
  const random = new Random(6);
  const frames = corpus();
  const all = Array.from({ length: MUTATIONS }, () => mutated(frames, random));
  const before = server.memory();
  server.resetPeak();
  const codes = await attackInLanes(all);
  const { peak } = server.memory();
  console.log(`${shown(codes)}; resident memory grew by ${Math.max(0, peak - before.rss)} KiB at its peak`);
  console.log(`Yjs could not read ${unread} of the updates that were relayed`);
  // Whoever is closed is closed for its own frame, or because its pending edits were too many.
  for (const code of codes.keys()) assert.ok(["stays", 4400, 4504].includes(code), `code ${code}`);
});
