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
import { Peer, QUESTION, raw } from "../lib/peer.mjs";
import { Random, seed } from "../lib/random.mjs";
import { Server } from "../lib/server.mjs";
import { Allocations } from "../lib/shim.mjs";
import { Crowd } from "../lib/typing.mjs";
import { until } from "../lib/wait.mjs";

const MUTATIONS = 10_000;
/** Connections that send mutations at the same time. */
const LANES = 8;
/** What a frame of 64 KiB may cost, in bytes. */
const FRAME_COST_MAX = 16 << 20;

let server;
let pid;
/** Counts the allocations of the server; undefined where that cannot be. */
let allocations;
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
  allocations = await Allocations.build();
  if (allocations === undefined) {
    console.log("allocations are NOT COUNTED: that needs Linux and a C compiler (cc)");
  }
  server = await Server.start(allocations?.under);
  allocations?.watch(server);
  pid = server.pid;
});
after(async () => {
  await server.dispose();
  await allocations?.dispose();
});

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
 * Runs `attack` and gives the most that the server had allocated meanwhile over what it had before,
 * and the same of its resident memory; in bytes.
 */
async function costOf(attack) {
  server.resetPeak();
  const resident = server.memory().rss;
  const allocated = allocations?.read().now ?? 0;
  allocations?.reset();
  await attack();
  const cost = {
    allocated: Math.max(0, (allocations?.read().most ?? 0) - allocated),
    resident: Math.max(0, server.memory().peak - resident) << 10,
  };
  assert.ok(cost.allocated <= FRAME_COST_MAX, `it allocated ${cost.allocated} bytes`);
  assert.ok(cost.resident <= FRAME_COST_MAX, `it took ${cost.resident} bytes`);
  return cost;
}

const kib = ({ allocated, resident }) =>
  `${allocated >> 10} KiB allocated, ${resident >> 10} KiB resident at the peak`;

/** What one frame costs. */
async function costOfFrame(frame) {
  const peer = await Peer.connect(server, room);
  const cost = await costOf(() => peer.survives(frame));
  peer.close();
  return cost;
}

/** The dearest of several, each measured alone. */
async function dearestOf(named) {
  let dearest = "";
  let most = -1;
  for (const [name, frame] of named) {
    const cost = await costOfFrame(frame);
    if (cost.allocated > most) dearest = `dearest: ${name}, ${kib(cost)}`;
    most = Math.max(most, cost.allocated);
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
    console.log(kib(await costOfFrame(frame)));
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
  // A masked binary frame of 100,000,000 bytes, with a few of them.
  const head = Buffer.from("82ff0000000005f5e10000000000", "hex");
  const cost = await costOf(async () => {
    const said = await raw(server, room, [head, Buffer.alloc(1_000)]);
    // The close frame, with code 4400.
    assert.ok(said.includes(Buffer.from("1130", "hex")), said.toString("latin1"));
  });
  console.log(kib(cost));
});

test("truncations", async () => {
  const codes = await attackInLanes(corpus().flatMap(truncations));
  console.log(shown(codes));
});

test("mutations", async () => {
  const random = new Random(6);
  const frames = corpus();
  const all = Array.from({ length: MUTATIONS }, () => mutated(frames, random));
  let codes;
  const cost = await costOf(async () => {
    codes = await attackInLanes(all);
  });
  console.log(`${shown(codes)}; ${kib(cost)}`);
  console.log(`Yjs could not read ${unread} of the updates that were relayed`);
  // Whoever is closed is closed for its own frame, or because its pending edits were too many.
  for (const code of codes.keys()) assert.ok(["stays", 4400, 4504].includes(code), `code ${code}`);
});
