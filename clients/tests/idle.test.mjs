// A start on many rooms that nobody is in: 10,000 of them, 1 GB of journal. `make soak` builds the
// program that makes them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Editor } from "../lib/editor.mjs";
import { Random, seed } from "../lib/random.mjs";
import { share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";

const PROGRAM = process.env.GREENROOM_FILL_STORE;
const MISSING = "NOT MEASURED: GREENROOM_FILL_STORE names no program (make soak builds it)";
const ROOMS = 10_000;
const BYTES_EACH = 100_000;
const READY_MS = 2_000;
const JOIN_MS = 100;

test("10,000 idle rooms, 1 GB of journal: ready within 2 s, a first join within 100 ms", async (t) => {
  if (PROGRAM === undefined) {
    console.log(MISSING);
    return t.skip(MISSING);
  }
  const fill = (data) => {
    const { status } = spawnSync(PROGRAM, [data, ROOMS, BYTES_EACH].map(String), { stdio: "inherit" });
    assert.equal(status, 0);
  };
  const server = await Server.start(undefined, { fill });
  t.after(() => server.dispose());
  const random = new Random(21);
  console.log(`GREENROOM_SEED=${seed}`);
  let ready = 0;
  const joins = [];
  for (let start = 0; start < share(0.1, 3); start += 1) {
    await server.kill();
    const begun = performance.now();
    await server.restart();
    assert.equal((await server.readiness()).status, 200);
    ready = Math.max(ready, performance.now() - begun);
    for (let n = 0; n < 20; n += 1) {
      const joined = performance.now();
      const editor = await new Editor(server, `room-${random.below(ROOMS)}`).synced();
      joins.push(performance.now() - joined);
      assert.ok(editor.text.length >= BYTES_EACH);
      // So that the next start has something to recover.
      editor.type("x");
      editor.close();
    }
  }
  joins.sort((a, b) => a - b);
  const median = joins[joins.length >> 1];
  const slowest = joins.at(-1);
  console.log(
    `ready in ${ready.toFixed(0)} ms at most; first joins: median ${median.toFixed(1)} ms, ` +
      `slowest ${slowest.toFixed(1)} ms of ${joins.length}`,
  );
  assert.ok(ready <= READY_MS);
  assert.ok(slowest <= JOIN_MS);
});
