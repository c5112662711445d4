// Who joins right after a restart gets the stored text, and nothing before it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { converged, Editor } from "../lib/editor.mjs";
import { share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { windowPassed } from "../lib/window.mjs";

const ROOMS = ["join/small", "join/large", "join/cut"];
const JOINERS = 20;

let server;
const stored = new Map();

before(async () => {
  server = await Server.start();
  const writers = await Promise.all(ROOMS.map((room) => new Editor(server, room).synced()));
  const [small, large, cut] = writers;
  small.type("a line");
  // Many updates beyond a snapshot, and one that is larger than what a socket takes at once.
  for (let line = 0; line < 700; line += 1) large.type(`line ${line}\n`);
  large.type("x".repeat(2_000_000));
  cut.type("what is deleted stays deleted");
  cut.text.delete(4, 10);
  const witnesses = ROOMS.map((room) => new Editor(server, room));
  for (const [at, witness] of witnesses.entries()) {
    const text = writers[at].text.toString();
    await witness.sees(text);
    stored.set(ROOMS[at], text);
  }
  await windowPassed(server);
  for (const editor of [...writers, ...witnesses]) editor.close();
});
after(() => server.dispose());

test("a joiner after a restart is synced with the stored text, never before it", async () => {
  const restarts = share(0.2, 3);
  let wrong = 0;
  for (let restart = 0; restart < restarts; restart += 1) {
    await server.kill();
    await server.restart();
    const joiners = ROOMS.map((room) => new Editor(server, room));
    await Promise.all(joiners.map((joiner) => joiner.synced()));
    for (const [at, joiner] of joiners.entries()) {
      if (joiner.firstSight !== stored.get(ROOMS[at])) wrong += 1;
      joiner.close();
    }
  }
  console.log(`joiners after a restart: ${wrong} of ${restarts * ROOMS.length} saw another text`);
  assert.equal(wrong, 0);
});

test("twenty who join an unloaded room at once meet in one, with the stored text", async () => {
  for (const room of ROOMS) {
    await server.kill();
    await server.restart();
    const joiners = Array.from({ length: JOINERS }, () => new Editor(server, room));
    await Promise.all(joiners.map((joiner) => joiner.synced()));
    for (const joiner of joiners) assert.equal(joiner.firstSight, stored.get(room));
    const mark = `[met in ${room}]`;
    joiners[0].type(mark, 0);
    await Promise.all(joiners.map((joiner) => joiner.sees(mark)));
    stored.set(room, joiners[0].text.toString());
    await windowPassed(server);
    for (const joiner of joiners) joiner.close();
  }
});

test("who waits at the door while the server is down gets the stored text", async () => {
  await server.kill();
  const waiting = ROOMS.map((room) => new Editor(server, room));
  await server.restart();
  await Promise.all(waiting.map((joiner) => joiner.synced()));
  for (const [at, joiner] of waiting.entries()) {
    assert.equal(joiner.firstSight, stored.get(ROOMS[at]));
    joiner.close();
  }
});

test("who joins while others write misses nothing", async () => {
  const writer = await new Editor(server, "join/busy").synced();
  // Many small pieces, so that an answer takes a while to make and others ask meanwhile.
  for (let n = 0; n < 1_500; n += 1) writer.type("x", n % 2 === 0 ? 0 : undefined);
  const joiners = [];
  for (let n = 0; n < 3 * JOINERS; n += 1) {
    joiners.push(new Editor(server, "join/busy"));
    writer.type(`${n} `);
    // The next comes when the writer has heard of what is under way.
    await new Promise((resolve) => setImmediate(resolve));
    if (n % 4 === 3) await joiners[n - 3].synced();
  }
  writer.type("the end");
  const whole = () => {
    const text = writer.text.toString();
    return joiners.every((joiner) => joiner.text.toString() === text);
  };
  const lengths = () => joiners.map((joiner) => joiner.text.length).join(" ");
  await converged(joiners, whole, 60_000, () => `all have ${writer.text.length}: ${lengths()}`);
  for (const editor of [writer, ...joiners]) editor.close();
});
