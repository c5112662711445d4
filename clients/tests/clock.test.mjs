// Clocks that jump and stall: row F9 of docs/faults.md.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { editors } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";
import { Clock } from "../lib/shim.mjs";
import { pass } from "../lib/wait.mjs";

const MISSING = "NOT PROVEN: jumping clocks need Linux and a C compiler (cc)";
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Long beside every tick and window of the server. */
const STALL_MS = 500;

let clock;
before(async () => {
  clock = await Clock.build();
});
after(() => clock?.dispose());

/** A server whose clocks can be moved, with people in two rooms. */
async function open(t) {
  const server = await Server.start(clock.under);
  t.after(() => server.dispose());
  const people = await editors(10, server, "clock");
  const counter = await CounterClient.join(server, "counter/clock");
  t.after(() => [...people, counter].forEach((each) => each.close()));
  return { server, people, counter };
}

/** Everybody hears an edit, the counter goes on by one, and nobody was closed. */
async function goesOn({ people, counter }, mark) {
  const before = counter.highest;
  assert.equal(await counter.next(), before + 1);
  people[0].type(mark);
  await Promise.all(people.map((editor) => editor.sees(mark)));
  for (const editor of people) assert.deepEqual(editor.statuses, ["connected"], mark);
}

test("no jump of the wall clock closes anybody or changes the order", async (t) => {
  if (clock === undefined) {
    console.log(MISSING);
    return t.skip(MISSING);
  }
  const all = await open(t);
  await goesOn(all, "[start]");
  for (const hours of [24, -24, -1, 0, 1, 24 * 365, 0]) {
    clock.jump(all.server, hours * HOUR_MS);
    await goesOn(all, `[${hours} h]`);
    const page = await (await fetch(all.server.url("http", "/metrics"))).text();
    const [, told] = /^greenroom_clock_offset_seconds (\S+)$/m.exec(page);
    assert.ok(Math.abs(Number(told) - hours * 3_600) < 600, `${told} s after ${hours} h`);
  }
  // What is journaled stays in order when the next process starts in the past.
  const told = all.counter.highest;
  clock.jump(all.server, -DAY_MS);
  await all.server.kill();
  await all.server.restart();
  await Promise.all(all.people.map((editor) => editor.synced()));
  const counter = await CounterClient.join(all.server, "counter/clock");
  t.after(() => counter.close());
  assert.equal(await counter.next(), told + 1);
});

test("a monotonic clock that stalls closes nobody", async (t) => {
  if (clock === undefined) {
    console.log(MISSING);
    return t.skip(MISSING);
  }
  const all = await open(t);
  await goesOn(all, "[start]");
  clock.stall(all.server);
  all.people[1].type("[stalled]");
  await pass(STALL_MS);
  clock.resume(all.server, STALL_MS);
  await Promise.all(all.people.map((editor) => editor.sees("[stalled]")));
  await goesOn(all, "[after]");
});
