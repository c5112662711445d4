// Calls of the operating system that fail, and kills at each of them: rows F2, F7, F8 and F20 of
// docs/faults.md.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { countThroughKills } from "../lib/counting.mjs";
import { Editor, editors } from "../lib/editor.mjs";
import { Random, seed } from "../lib/random.mjs";
import { share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { Call, Errno, Fate, Faults, Shim } from "../lib/shim.mjs";

const MISSING = "NOT PROVEN: failing calls need Linux and a C compiler (cc)";

let faults;
let shim;
before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  faults = await Faults.build();
  shim = await Shim.build();
});
after(async () => {
  await faults?.dispose();
  await shim?.dispose();
});

/** A test on a server of its own, with the variables that `environment()` gives. */
function faultTest(name, environment, run) {
  test(name, async (t) => {
    if (faults === undefined) {
      console.log(MISSING);
      return t.skip(MISSING);
    }
    const server = await Server.start(environment());
    t.after(() => server.dispose());
    await run(server, t);
  });
}

/** What a service room whose append failed says: it closes with a code that says to come back. */
const COME_BACK = "closed 4012";

/** Where a kill may come, and what makes the server pass there. */
const POINTS = [
  { name: "before a write", fate: Fate.killsBefore, calls: Call.write, of: 40 },
  { name: "halfway through a write", fate: Fate.killsHalfway, calls: Call.write, of: 40 },
  { name: "after a write", fate: Fate.killsAfter, calls: Call.write, of: 40 },
  { name: "before a sync", fate: Fate.killsBefore, calls: Call.sync, of: 15 },
  { name: "after a sync", fate: Fate.killsAfter, calls: Call.sync, of: 15 },
  { name: "before an answer", fate: Fate.killsBefore, calls: Call.send, of: 60 },
  { name: "after an answer", fate: Fate.killsAfter, calls: Call.send, of: 60 },
  // A sync that fails makes the store move to a new file.
  { name: "while it moves", fate: Fate.killsBefore, calls: Call.write, of: 12, moves: true },
  { name: "before a rename", fate: Fate.killsBefore, calls: Call.rename, of: 1, moves: true },
  { name: "after a rename", fate: Fate.killsAfter, calls: Call.rename, of: 1, moves: true },
  { name: "before a removal", fate: Fate.killsBefore, calls: Call.remove, of: 2, moves: true },
  { name: "after a removal", fate: Fate.killsAfter, calls: Call.remove, of: 2, moves: true },
];

faultTest("a kill at any point loses no value that was told", () => faults.under, async (server) => {
  const each = share(0.2, 1);
  const random = new Random(11);
  const fall = async (kill) => {
    const { fate, calls, of, moves } = POINTS[kill % POINTS.length];
    faults.plan(server, fate, calls, { pass: random.below(of), at: 1 });
    if (moves) faults.plan(server, Fate.fails, Call.sync, { pass: random.below(5) });
    await server.fell();
    // One of them may not have come to happen.
    faults.heal(server);
  };
  const kills = each * POINTS.length;
  const { told, lost } = await countThroughKills(server, kills, random, fall);
  console.log(`${kills} kills at ${POINTS.length} points: ${lost} lost of ${told} values told`);
  assert.equal(lost, 0);
});

/** Counts in a room until `last`, each value asked for after the one before was told. */
async function count(client, last) {
  while (client.highest < last) {
    const before = client.value;
    const value = await client.next();
    assert.equal(value, before === undefined ? value : before + 1);
  }
}

/** Types a mark and waits until the other has it. */
async function relay(writer, witness, mark) {
  writer.type(mark);
  await witness.sees(mark);
}

/** Ends everything that connects when the test does. */
function closing(t, ...all) {
  t.after(() => all.forEach((each) => each.close()));
}

faultTest("a sync that fails once costs nothing", () => shim.failing, async (server, t) => {
  const [writer, witness] = await editors(2, server, "sync/once");
  closing(t, writer, witness);
  let told = 0;
  for (let round = 1; round <= share(0.5, 3); round += 1) {
    const counter = await CounterClient.join(server, "counter/once");
    closing(t, counter);
    await count(counter, told + 20);
    await relay(writer, witness, `[${round}]`);
    Shim.fail(server, 1);
    await count(counter, told + 30);
    assert.equal(Shim.failed(server), round);
    assert.equal((await server.readiness()).status, 200);
    // What the failed sync was to write is gone with the old file: only the new one counts.
    told = counter.highest;
    await server.kill();
    await server.restart();
    const again = await CounterClient.join(server, "counter/once");
    closing(t, again);
    assert.equal(await again.next(), told + 1);
    told += 1;
    await Promise.all([writer, witness].map((editor) => editor.synced()));
  }
  const late = await new Editor(server, "sync/once").synced();
  closing(t, late);
  for (const editor of [writer, witness]) {
    assert.equal(late.text.toString(), editor.text.toString());
  }
});

faultTest("syncs that fail for ever: no promise, and people go on", () => shim.failing, async (server, t) => {
  const [writer, witness] = await editors(2, server, "sync/ever");
  const counter = await CounterClient.join(server, "counter/ever");
  closing(t, writer, witness, counter);
  await count(counter, 20);
  await relay(writer, witness, "before ");
  Shim.fail(server, -1);
  // What is asked now is answered by nobody: the connection ends with a code that says to come back.
  const asked = counter.highest;
  assert.equal(await counter.ask(), COME_BACK);
  assert.equal(counter.highest, asked);
  const { status, reasons } = await server.readiness();
  assert.equal(status, 503);
  assert.match(reasons.join(), /read-only/);
  await relay(writer, witness, "meanwhile ");
  for (const editor of [writer, witness]) assert.deepEqual(editor.statuses, ["connected"]);
  await server.kill();
  Shim.fail(server, 0);
  await server.restart();
  const again = await CounterClient.join(server, "counter/ever");
  closing(t, again);
  const value = await again.next();
  assert.ok(value > asked, `${value} after ${asked} was told`);
  await Promise.all([writer, witness].map((editor) => editor.synced()));
  await relay(writer, witness, "after");
  assert.equal(writer.text.toString(), "before meanwhile after");
});

/** Lets a fate befall calls while several count and somebody types; nobody may notice. */
async function unnoticed(server, t, fate, calls, options) {
  const counters = await Promise.all([1, 2, 3].map((n) => CounterClient.join(server, `counter/${n}`)));
  const [writer, witness] = await editors(2, server, "calls");
  closing(t, ...counters, writer, witness);
  faults.plan(server, fate, calls, options);
  await Promise.all(counters.map((counter) => count(counter, share(2, 20))));
  await relay(writer, witness, "typed");
  const [happened] = faults.heal(server);
  assert.ok(happened > 0, "it happened");
  await server.kill();
  await server.restart();
  for (const [at, counter] of counters.entries()) {
    const again = await CounterClient.join(server, `counter/${at + 1}`);
    closing(t, again);
    assert.equal(await again.next(), counter.highest + 1, "each increment counted once");
  }
  assert.deepEqual(server.said.filter((line) => /"ERROR"/.test(line)), []);
  return happened;
}

faultTest("short writes are finished", () => faults.under, async (server, t) => {
  await unnoticed(server, t, Fate.isShort, Call.write, { times: -1 });
});

faultTest("interrupted calls are made again", () => faults.under, async (server, t) => {
  await unnoticed(server, t, Fate.fails, Call.write, { times: 200, error: Errno.EINTR });
});

faultTest("a sync that succeeds and says it failed applies nothing twice", () => faults.under, async (server, t) => {
  let told = 0;
  for (let time = 0; time < share(0.3, 2); time += 1) {
    const counter = await CounterClient.join(server, "counter/unknown");
    closing(t, counter);
    faults.plan(server, Fate.isDoneAndFails, Call.sync, { pass: 3 });
    await count(counter, told + 12);
    assert.deepEqual(faults.heal(server), [1, 0]);
    await server.kill();
    await server.restart();
    const again = await CounterClient.join(server, "counter/unknown");
    closing(t, again);
    told += 13;
    assert.equal(await again.next(), told);
  }
});

faultTest("a write that fails halfway is never half there", () => faults.under, async (server, t) => {
  for (const error of [Errno.EIO, Errno.ENOSPC]) {
    let counter = await CounterClient.join(server, `counter/half${error}`);
    closing(t, counter);
    for (let time = 0; time < share(0.3, 3); time += 1) {
      faults.plan(server, Fate.isHalfDoneAndFails, Call.write, { pass: time % 4, error });
      // A full disk refuses: then the connection ends, and nothing was counted.
      let told = counter.highest;
      for (let n = 0; n < 5; n += 1) {
        const value = await counter.ask();
        if (typeof value === "number") told = value;
        else assert.equal(value, COME_BACK);
      }
      assert.deepEqual(faults.heal(server), [1, 0]);
      await server.kill();
      await server.restart();
      counter = await CounterClient.join(server, `counter/half${error}`);
      closing(t, counter);
      assert.equal(await counter.next(), told + 1);
    }
  }
});
