// A counter over /ws/room: what anybody was told stands.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { countThroughKills } from "../lib/counting.mjs";
import { Random, seed } from "../lib/random.mjs";
import { share } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";

let server;
before(async () => {
  console.log(`GREENROOM_SEED=${seed}`);
  server = await Server.start();
});
after(() => server.dispose());

test("everybody in the room hears every value, in order", async () => {
  const clients = await Promise.all(
    Array.from({ length: 4 }, () => CounterClient.join(server, "counter/order")),
  );
  const heard = clients.map(() => []);
  for (const [at, client] of clients.entries()) client.on("value", (v) => heard[at].push(v));
  for (let n = 0; n < 25; n += 1) for (const client of clients) client.increment();
  await Promise.all(clients.map((client) => client.reaches(100)));
  const all = Array.from({ length: 100 }, (_, at) => at + 1);
  for (const values of heard) assert.deepEqual(values, all);
  for (const client of clients) client.close();
});

test("no value that was told is lost by kill -9 under load", async () => {
  const kills = share(0.5, 5);
  const { told, lost } = await countThroughKills(server, kills, new Random(2));
  console.log(`${kills} kills: ${lost} values lost of ${told} that were told`);
  assert.equal(lost, 0);
});
