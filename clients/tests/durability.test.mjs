// What survives kill -9.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Editor, editors } from "../lib/editor.mjs";
import { Random, seed } from "../lib/random.mjs";
import { runs, share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { Crowd } from "../lib/typing.mjs";
import { pass } from "../lib/wait.mjs";
import { windowPassed } from "../lib/window.mjs";

let server;
before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  server = await Server.start();
});
after(() => server.dispose());

test("an update that was seen and is older than the commit window survives kill -9", async () => {
  let lost = 0;
  const written = new Map();
  for (let run = 0; run < runs; run += 1) {
    // A few rooms, so that each kill also finds old text in an unloaded or a loaded room.
    const room = `durable/${run % 3}`;
    const [writer, witness] = await editors(2, server, room);
    const mark = `[run ${run}]`;
    writer.type(mark);
    await witness.sees(mark);
    await windowPassed(server);
    writer.close();
    witness.close();
    await server.kill();
    await server.restart();
    const late = await new Editor(server, room).synced();
    written.set(room, (written.get(room) ?? "") + mark);
    if (late.firstSight !== written.get(room)) {
      lost += 1;
      console.log(`run ${run}: ${late.firstSight} instead of ${written.get(room)}`);
    }
    late.close();
  }
  console.log(`updates seen and older than the window: ${lost} lost of ${runs}`);
  assert.equal(lost, 0);
});

test("kills under load lose nothing of those who stay, and all are equal within 5 s", async () => {
  const kills = share(0.2, 4);
  const random = new Random(1);
  const crowds = [
    await Crowd.join(4, server, "load/a", random),
    await Crowd.join(4, server, "load/b", random),
  ];
  let slowest = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    for (const crowd of crowds) crowd.start(10);
    // The moment of the kill is what chance decides: load goes on until then, and after it.
    await pass(100 + random.below(700));
    await server.kill();
    await pass(random.below(200));
    await server.restart();
    const up = performance.now();
    await pass(random.below(200));
    for (const crowd of crowds) crowd.pause();
    await Promise.all(crowds.map((crowd) => crowd.settled(up + 5_000 - performance.now())));
    slowest = Math.max(slowest, performance.now() - up);
  }
  const typed = crowds.reduce((sum, crowd) => sum + crowd.typed, 0);
  console.log(`${kills} kills under load: 0 lost of ${typed}, equal in ${slowest.toFixed(0)} ms at most`);
  await windowPassed(server);
  for (const crowd of crowds) crowd.close();
  await server.kill();
  await server.restart();
  for (const [at, crowd] of crowds.entries()) {
    const late = await new Editor(server, `load/${"ab"[at]}`).synced();
    assert.deepEqual(crowd.faults(late.firstSight), { lost: 0, doubled: 0 });
    late.close();
  }
});
