// A peer that stops reading: nobody else notices, the server keeps little for it, and it gets
// everything once it reads again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { converged, Editor, editors } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";
import { Allocations } from "../lib/shim.mjs";
import { until } from "../lib/wait.mjs";

const ROUNDS = 400;
/** Presence of one round: 20 MB in all. */
const STATE_BYTES = 50_000;
/** Text of one round. */
const TEXT_BYTES = 2_000;
/** What a stuck peer may cost, in bytes: its outbox of 1 MiB, what is being written, no more. */
const STUCK_COST_MAX = 4 << 20;
const PATIENCE_MS = 20_000;

let allocations;
before(async () => {
  allocations = await Allocations.build();
  if (allocations === undefined) {
    console.log("allocations are NOT COUNTED: that needs Linux and a C compiler (cc)");
  }
});
after(() => allocations?.dispose());

/**
 * One person writes and one reads, who has each round before the next begins. Gives the latencies
 * of the rounds in milliseconds, and the server's memory after each in bytes, both sorted.
 */
async function load({ server, writer, reader }) {
  const latencies = [];
  const resident = [];
  const allocated = [];
  allocations?.watch(server);
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
    resident.push(server.memory().rss << 10);
    allocated.push(allocations?.read().now ?? 0);
  }
  const sorted = (list) => list.sort((a, b) => a - b);
  return {
    latencies: sorted(latencies),
    resident: sorted(resident),
    allocated: sorted(allocated),
  };
}

const part = (list, of) => list[Math.floor(of * (list.length - 1))];
const shown = ({ latencies }) =>
  `median ${part(latencies, 0.5).toFixed(1)} ms, p99 ${part(latencies, 0.99).toFixed(1)} ms`;

/** A room with one who writes and one who reads, on a server of its own that ends with the test. */
async function open(t) {
  const server = await Server.start(allocations?.under);
  t.after(() => server.dispose());
  const [writer, reader] = await editors(2, server, "stuck");
  t.after(() => {
    writer.close();
    reader.close();
  });
  return { server, writer, reader };
}

test("a stuck reader costs little, delays nobody, and gets everything in the end", async (t) => {
  const without = await load(await open(t));
  const room = await open(t);
  const { server, writer, reader } = room;
  const stuck = await new Editor(server, "stuck").synced();
  t.after(() => stuck.close());
  stuck.provider.ws._socket.pause();
  const along = await load(room);
  // Medians, because jobs that merge the document come and go in both runs.
  const allocated = part(along.allocated, 0.5) - part(without.allocated, 0.5);
  const resident = part(along.resident, 0.5) - part(without.resident, 0.5);
  console.log(`without a stuck reader: ${shown(without)}; with one: ${shown(along)}`);
  console.log(`it cost ${allocated >> 10} KiB allocated, ${resident >> 10} KiB resident`);
  for (const cost of [allocated, resident]) {
    assert.ok(cost <= STUCK_COST_MAX, `the stuck reader cost ${cost} bytes`);
  }
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
