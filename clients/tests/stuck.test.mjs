// A peer that stops reading: nobody else notices, the server keeps little for it, and it gets
// everything once it reads again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { converged, Editor, editors } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";

const ROUNDS = 400;
/** Presence of one round: 20 MB in all. */
const STATE_BYTES = 50_000;
/** Text of one round. */
const TEXT_BYTES = 2_000;
/** What a stuck peer may cost, in KiB: its outbox of 1 MiB, what is being written, and no more. */
const STUCK_COST_MAX = 4 << 10;
const PATIENCE_MS = 20_000;

/**
 * One person writes and one reads, who has each round before the next begins. Gives the latencies
 * of the rounds in milliseconds, sorted.
 */
async function rounds(writer, reader) {
  const latencies = [];
  const { awareness } = reader.provider;
  const blob = "x".repeat(STATE_BYTES);
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = performance.now();
    writer.provider.awareness.setLocalState({ round, blob });
    writer.type(`${round}:`.padEnd(TEXT_BYTES, "y"));
    const has = () =>
      awareness.getStates().get(writer.doc.clientID)?.round === round &&
      reader.text.length === writer.text.length;
    const sources = [
      [awareness, "change"],
      [reader.doc, "update"],
    ];
    await until(has, sources, PATIENCE_MS, () => `round ${round} is heard`);
    latencies.push(performance.now() - begun);
  }
  return latencies.sort((a, b) => a - b);
}

const shown = (latencies) => {
  const at = (part) => latencies[Math.floor(part * (latencies.length - 1))].toFixed(1);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms`;
};

/** A room with one who writes and one who reads, on a server of its own that ends with the test. */
async function open(t) {
  const server = await Server.start();
  t.after(() => server.dispose());
  const [writer, reader] = await editors(2, server, "stuck");
  t.after(() => {
    writer.close();
    reader.close();
  });
  return { server, writer, reader };
}

/** Runs the load; gives the latencies and the peak of the server's resident memory in KiB. */
async function load({ server, writer, reader }) {
  server.resetPeak();
  const latencies = await rounds(writer, reader);
  return { latencies, peak: server.memory().peak };
}

test("a stuck reader costs little, delays nobody, and gets everything in the end", async (t) => {
  const without = await load(await open(t));
  const room = await open(t);
  const { server, writer, reader } = room;
  const stuck = await new Editor(server, "stuck").synced();
  t.after(() => stuck.close());
  stuck.provider.ws._socket.pause();
  const along = await load(room);
  const cost = along.peak - without.peak;
  console.log(`without a stuck reader: ${shown(without.latencies)}, peak ${without.peak} KiB`);
  console.log(`with one: ${shown(along.latencies)}, peak ${along.peak} KiB, so it cost ${cost} KiB`);
  assert.ok(cost <= STUCK_COST_MAX, `the stuck reader cost ${cost} KiB`);
  assert.notEqual(stuck.text.length, writer.text.length);
  for (const editor of [writer, reader]) assert.deepEqual(editor.statuses, ["connected"]);

  stuck.provider.ws._socket.resume();
  const whole = () => stuck.text.toString() === writer.text.toString();
  await converged([stuck], whole, PATIENCE_MS, () => `it has ${stuck.text.length} characters`);
  const { awareness } = stuck.provider;
  const present = () => awareness.getStates().get(writer.doc.clientID)?.round === ROUNDS - 1;
  await until(present, [[awareness, "change"]], PATIENCE_MS, () => "it sees the last presence");
  const again = stuck.closes.length > 0 ? "on a new connection" : "on its connection";
  console.log(`the stuck reader was brought up to date ${again}`);
});
