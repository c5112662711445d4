// A backup that is taken under load, restored elsewhere and in the place of what was lost.

import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { Editor } from "../lib/editor.mjs";
import { Random, seed } from "../lib/random.mjs";
import { share } from "../lib/runs.mjs";
import { greenroom, Server } from "../lib/server.mjs";
import { Crowd } from "../lib/typing.mjs";
import { pass } from "../lib/wait.mjs";
import { windowPassed } from "../lib/window.mjs";

const ROOMS = ["backup/a", "backup/b", "backup/c"];

let server;
before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  server = await Server.start();
});
after(() => server.dispose());

async function done(...words) {
  const ran = await greenroom(...words);
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout);
}

test("a backup under load holds its moment, and those who stay bring back the rest", async () => {
  const backups = share(0.2, 2);
  const random = new Random(3);
  const crowds = await Promise.all(ROOMS.map((room) => Crowd.join(3, server, room, random)));
  for (let at = 0; at < backups; at += 1) {
    const counter = await CounterClient.join(server, "counter/backup");
    // What all have and what is older than the window must be in it.
    for (const crowd of crowds) for (let n = 0; n < 20; n += 1) crowd.type();
    await Promise.all(crowds.map((crowd) => crowd.settled(5_000)));
    const countedBefore = await counter.next();
    await windowPassed(server);
    const typedBefore = crowds.map((crowd) => crowd.typed);

    for (const crowd of crowds) crowd.start(3);
    const counting = setInterval(() => counter.increment(), 3);
    await pass(random.below(300));
    const file = join(server.folder, `${at}.backup`);
    const taken = await done("backup", file, "--server", server.url("http", ""), "--json");
    const typedAfter = crowds.map((crowd) => crowd.typed);
    const countedAfter = countedBefore - 1 + counter.sent;
    await pass(random.below(300));
    for (const crowd of crowds) crowd.pause();
    clearInterval(counting);
    await Promise.all(crowds.map((crowd) => crowd.settled(5_000)));
    await counter.reaches(countedBefore - 1 + counter.sent);
    counter.close();
    assert.equal(taken.rooms, ROOMS.length + 1);

    // Elsewhere: what was typed until its moment, nothing from after it.
    const fill = async (data) => {
      const restored = await done("restore", file, "--data", data, "--json");
      assert.deepEqual([restored.rooms, restored.damaged], [taken.rooms, 0]);
    };
    const elsewhere = await Server.start(undefined, { fill });
    for (const [n, room] of ROOMS.entries()) {
      const late = await new Editor(elsewhere, room).synced();
      const { first, last, doubled } = crowds[n].span(late.firstSight);
      assert.ok(first >= typedBefore[n], `${room}: ${first} of ${typedBefore[n]} are there`);
      assert.ok(last < typedAfter[n], `${room}: ${last} was typed after ${typedAfter[n]}`);
      assert.equal(doubled, 0);
      late.close();
    }
    const other = await CounterClient.join(elsewhere, "counter/backup");
    const value = (await other.next()) - 1;
    assert.ok(value >= countedBefore, `${value} of ${countedBefore} that were told`);
    assert.ok(value <= countedAfter, `${value}, and ${countedAfter} were counted`);
    other.close();
    await elsewhere.dispose();

    // In the place of what was lost: editors that stayed hold what came after it.
    await server.kill();
    await rename(server.data, join(server.folder, `lost-${at}`));
    await done("restore", file, "--data", server.data, "--json");
    await server.restart();
    await Promise.all(crowds.map((crowd) => crowd.settled(10_000)));
    for (const [n, room] of ROOMS.entries()) {
      const late = await new Editor(server, room).synced();
      await late.sees(crowds[n].editors[0].text.toString());
      assert.deepEqual(crowds[n].faults(late.text.toString()), { lost: 0, doubled: 0 });
      late.close();
    }
  }
  const typed = crowds.reduce((sum, crowd) => sum + crowd.typed, 0);
  console.log(`${backups} backups under load: each whole up to its moment, ${typed} typed, 0 lost`);
  for (const crowd of crowds) crowd.close();
});
