// A server whose memory is limited by a control group: row F27 of docs/faults.md. It is filled until
// it refuses, or until the kernel kills it; in either case what it acknowledged is kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryGroup } from "../lib/confined.mjs";
import { CounterClient } from "../lib/counter.mjs";
import { Editor } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";

const MISSING = "NOT PROVEN: a memory limit needs Linux and the right to make control groups";
const LIMIT_BYTES = 192 << 20;
const CHUNK = "0123456789abcdef".repeat(16 << 10);
/** How long the server is filled at most. */
const FILL_MS = 60_000;
/** Within which a killed server's end is noticed. */
const NOTICE_MS = 5_000;

// The provider says so each time that it is refused.
let refusals = 0;
const warn = console.warn;
console.warn = (...words) => {
  if (/document_full/.test(String(words.join(" ")))) refusals += 1;
  else warn(...words);
};

/** Writes twice the memory that the server has into so many rooms, while a counter counts. */
async function fill(t, server, rooms) {
  const counter = await CounterClient.join(server, "counter/memory");
  const writers = Array.from({ length: rooms }, (_, room) => new Editor(server, `memory/${room}`));
  t.after(() => [counter, ...writers].forEach((each) => each.close()));
  await Promise.all(writers.map((writer) => writer.synced()));
  refusals = 0;
  let told = 0;
  let written = 0;
  const begun = performance.now();
  while (written < 2 * LIMIT_BYTES && performance.now() - begun < FILL_MS) {
    writers[(written / CHUNK.length) % rooms].type(CHUNK, 0);
    written += CHUNK.length;
    const said = await counter.ask();
    if (typeof said !== "number") break;
    told = said;
  }
  for (const writer of writers) writer.close();
  if (counter.code !== undefined) await server.fell(NOTICE_MS).catch(() => {});
  const peak = server.alive ? server.memory().peak >> 10 : undefined;
  console.log(
    `${written >> 20} MiB written to ${rooms} rooms under ${LIMIT_BYTES >> 20} MiB: ` +
      (peak === undefined ? "the kernel killed it" : `it lives, at most ${peak} MiB resident`) +
      `; ${refusals} edits refused, counted to ${told}`,
  );
  return told;
}

/** What was told stands after a kill, whoever killed. */
async function stands(t, server, told) {
  await server.kill();
  await server.restart();
  const again = await CounterClient.join(server, "counter/memory");
  t.after(() => again.close());
  const value = await again.next();
  assert.ok(told > 0 && value > told, `${value} after ${told} was told`);
}

/** A test on a server in a control group. */
function memoryTest(name, environment, run) {
  test(name, async (t) => {
    const group = MemoryGroup.make(LIMIT_BYTES);
    if (group === undefined) {
      console.log(MISSING);
      return t.skip(MISSING);
    }
    const server = await Server.start(() => environment, { under: group.under });
    t.after(async () => {
      await server.dispose();
      group.remove();
    });
    await run(t, server);
  });
}

const SMALL = { GREENROOM_LIMITS_DOCUMENT_BYTES_MAX: String(4 << 20) };
memoryTest("limits that fit the memory refuse before the kernel kills", SMALL, async (t, server) => {
  const told = await fill(t, server, 4);
  assert.ok(server.alive, server.said.join("\n"));
  assert.ok(refusals > 0);
  assert.equal((await server.readiness()).status, 200);
  await stands(t, server, told);
});

memoryTest("a server that the kernel kills loses nothing it acknowledged", {}, async (t, server) => {
  await stands(t, server, await fill(t, server, 24));
});
