// A bad network, and peers that send anything again: rows F15 and F21 of docs/faults.md.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as Y from "yjs";
import { BadProxy } from "../lib/bad_proxy.mjs";
import { Editor } from "../lib/editor.mjs";
import { Peer } from "../lib/peer.mjs";
import { Random, seed } from "../lib/random.mjs";
import { runs, share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { Crowd } from "../lib/typing.mjs";
import { pass } from "../lib/wait.mjs";

const PEOPLE = 5;
/** Within which all are equal once the network is calm. */
const CALM_MS = 5_000;

let server;
before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  server = await Server.start();
});
after(() => server.dispose());

test("people on a network that delays, cuts and repeats type each character once", async (t) => {
  const random = new Random(31);
  const proxy = await BadProxy.before(server, random);
  t.after(() => proxy.close());
  const crowd = await Crowd.join(PEOPLE, proxy, "network", random);
  t.after(() => crowd.close());
  crowd.start(10);
  for (let fault = 0; fault < runs * 4; fault += 1) {
    await pass(50);
    if (fault % 4 === 3) proxy.cut();
    else if (fault % 2 === 0) proxy.repeat();
  }
  crowd.pause();
  proxy.calm = true;
  const begun = performance.now();
  await crowd.settled(CALM_MS);
  const took = performance.now() - begun;
  const { delayed, cut, repeated } = proxy.done;
  console.log(
    `${crowd.typed} characters, ${delayed} pieces delayed, ${cut} connections cut, ${repeated} sent ` +
      `twice: equal ${took.toFixed(0)} ms after it was calm`,
  );
  const late = await new Editor(server, "network").synced();
  t.after(() => late.close());
  assert.deepEqual(crowd.faults(late.firstSight), { lost: 0, doubled: 0 });
});

/** A frame of the Yjs protocol that brings an update. */
function frameOf(update) {
  const length = [];
  for (let rest = update.length; ; rest >>= 7) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push((rest & 127) | 128);
  }
  return Uint8Array.of(0, 2, ...length, ...update);
}

test("what is sent again from any point, and in any order, counts once", async (t) => {
  const random = new Random(32);
  for (let round = 0; round < share(0.1, 3); round += 1) {
    const room = `again/${round}`;
    const doc = new Y.Doc();
    const frames = [];
    doc.on("update", (update) => frames.push(frameOf(update)));
    const text = doc.getText("text");
    for (let n = 0; n < 60; n += 1) {
      text.insert(random.below(text.length + 1), String.fromCodePoint(0x4e00 + n));
      if (n % 7 === 6) text.delete(random.below(text.length), 1);
    }
    const everything = [...frames];
    // From each point to the end, each time on a connection of its own, which may be cut.
    for (let from = 0; from < everything.length; from += 5) {
      const peer = await Peer.connect(server, room);
      const again = everything.slice(everything.length - 1 - from);
      if (from % 2 === 1) again.reverse();
      for (const frame of again) if (peer.code === undefined) peer.send(frame);
      if (from % 3 === 0) peer.close();
      else assert.ok(await peer.survives(everything[0]), `closed with ${peer.code}`);
      peer.close();
    }
    const last = await Peer.connect(server, room);
    for (const frame of everything) await last.survives(frame);
    last.close();
    const late = await new Editor(server, room).synced();
    t.after(() => late.close());
    assert.equal(late.firstSight, text.toString());
  }
});
