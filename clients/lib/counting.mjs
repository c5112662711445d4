// The promise of a counter: no value that anybody was told is taken back by a crash.

import assert from "node:assert/strict";
import { CounterClient } from "./counter.mjs";
import { pass } from "./wait.mjs";

/** How many increments a client has under way. */
const DEPTH = 4;

/**
 * Kills the server `kills` times while clients of several rooms count. `fall` ends it otherwise:
 * it is given the number of the kill. Gives how many values were told and how many were lost.
 */
export async function countThroughKills(server, kills, random, fall = undefined) {
  const rooms = ["counter/a", "counter/b", "counter/c"];
  const known = new Map(rooms.map((room) => [room, { seen: 0, sent: 0 }]));
  let told = 0;
  let lost = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const load = await Promise.all(
      rooms.flatMap((room) => [busy(server, room), busy(server, room)]),
    );
    // The moment of the kill is what chance decides.
    if (fall === undefined) await pass(20 + random.below(150));
    else await fall(kill);
    await server.kill();
    for (const { room, client, values } of load) {
      const of = known.get(room);
      of.seen = Math.max(of.seen, client.highest);
      of.sent += client.sent;
      told += values();
      client.close();
    }
    await server.restart();
    for (const room of rooms) {
      const of = known.get(room);
      const client = await CounterClient.join(server, room);
      const value = await client.next();
      of.sent += 1;
      client.close();
      if (value <= of.seen) {
        lost += 1;
        console.log(`kill ${kill}: ${room} said ${of.seen} before it and ${value} after`);
      }
      assert.ok(value <= of.sent, `${room} counted ${value} of ${of.sent} increments`);
      of.seen = value;
    }
  }
  return { told, lost };
}

/** A client that always has increments under way. */
async function busy(server, room) {
  const client = await CounterClient.join(server, room);
  let values = 0;
  client.on("value", () => {
    values += 1;
    if (client.sent < values + DEPTH) client.increment();
  });
  for (let at = 0; at < DEPTH; at += 1) client.increment();
  return { room, client, values: () => values };
}
