// Power loss: what was not synced is gone with the process.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { countThroughKills } from "../lib/counting.mjs";
import { Editor, editors } from "../lib/editor.mjs";
import { Random, seed } from "../lib/random.mjs";
import { share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { Shim, Trace } from "../lib/shim.mjs";
import { windowPassed } from "../lib/window.mjs";

const MISSING = "NOT PROVEN: power loss needs Linux and a C compiler (cc)";

let shim;
let server;
before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  shim = await Shim.build();
});
after(() => shim?.dispose());

/** A test on a server of its own, whose variables `environment(shim)` gives. */
function powerTest(name, environment, run) {
  test(name, async (t) => {
    if (shim === undefined) {
      console.log(MISSING);
      return t.skip(MISSING);
    }
    server = await Server.start(environment(shim));
    try {
      await run();
    } finally {
      await server.dispose();
    }
  });
}

/** Types a mark, waits until it was seen and the window is over, and loses power; what is left. */
async function textAfterLoss(room, mark) {
  const [writer, witness] = await editors(2, server, room);
  writer.type(mark);
  await witness.sees(mark);
  await windowPassed(server);
  writer.close();
  witness.close();
  await server.kill();
  await server.restart();
  const late = await new Editor(server, room).synced();
  late.close();
  return late.firstSight;
}

powerTest("the shim loses what was not synced, and these tests notice", (s) => s.under, async () => {
  assert.equal(await textAfterLoss("power/lie", "kept"), "kept");
  await server.kill();
  await server.restart(Shim.lie);
  assert.equal(await textAfterLoss("power/lie", " and lost"), "kept");
  const { lost } = await countThroughKills(server, 1, new Random(3));
  assert.ok(lost > 0, "values of a server whose syncs do nothing are lost");
});

powerTest("an update seen and older than the window survives power loss", (s) => s.under, async () => {
  const runs = share(0.5, 5);
  let lost = 0;
  let written = "";
  for (let run = 0; run < runs; run += 1) {
    const mark = `[run ${run}]`;
    written += mark;
    if ((await textAfterLoss("power/text", mark)) !== written) lost += 1;
  }
  console.log(`power losses: ${lost} updates lost of ${runs}`);
  assert.equal(lost, 0);
});

powerTest("no value that was told is lost by power loss under load", (s) => s.under, async () => {
  const kills = share(0.5, 5);
  const { told, lost } = await countThroughKills(server, kills, new Random(4));
  console.log(`${kills} power losses: ${lost} values lost of ${told} that were told`);
  assert.equal(lost, 0);
});

/** Counts to `last`, each value asked for after the one before was told; gives the trace. */
async function countTo(last) {
  const client = await CounterClient.join(server, "counter/traced");
  for (let value = 1; value <= last; value += 1) assert.equal(await client.next(), value);
  client.close();
  await server.kill();
  return Trace.read(server);
}

powerTest("no value leaves before the sync that covers its record", (s) => s.traced, async () => {
  const last = 300;
  const trace = await countTo(last);
  console.log(
    `${trace.count("sent")} values sent, ${trace.count("write")} writes, ${trace.count("sync")} syncs`,
  );
  assert.equal(trace.count("sent"), last);
  assert.deepEqual(trace.early(last), []);
});

powerTest(
  "that proof notices a server that does not sync",
  (s) => (of) => ({ ...s.traced(of), ...Shim.lie }),
  async () => {
    const trace = await countTo(5);
    assert.deepEqual(trace.early(5), [1, 2, 3, 4, 5]);
  },
);
