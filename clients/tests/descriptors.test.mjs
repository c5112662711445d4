// A server that runs out of file descriptors: row F28 of docs/faults.md.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { processorMs, withDescriptors } from "../lib/confined.mjs";
import { CounterClient } from "../lib/counter.mjs";
import { editors } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";
import { pass } from "../lib/wait.mjs";

const MISSING = "NOT PROVEN: few descriptors need Linux and prlimit (util-linux)";
const DESCRIPTORS = 256;
const CONNECTIONS = 400;
/** How long the server is watched while it cannot accept. */
const WATCH_MS = 5_000;
const PROCESSOR_MAX = 0.2;

/** Connects and asks for a WebSocket, whether or not it is answered. */
function knock(server) {
  const [host, port] = server.host.split(":");
  const socket = net.connect(Number(port), host);
  socket.on("error", () => {});
  socket.write(
    `GET /yjs/crowd HTTP/1.1\r\nHost: ${server.host}\r\nConnection: Upgrade\r\n` +
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  const knocked = { socket, answered: false };
  socket.once("data", () => {
    knocked.answered = true;
  });
  return knocked;
}

test(`${CONNECTIONS} connections to a server with ${DESCRIPTORS} descriptors`, async (t) => {
  const under = withDescriptors(DESCRIPTORS);
  if (spawnSync(under[0], [...under.slice(1), "true"]).status !== 0) {
    console.log(MISSING);
    return t.skip(MISSING);
  }
  const server = await Server.start(undefined, { under });
  t.after(() => server.dispose());
  const [writer, witness] = await editors(2, server, "few");
  const counter = await CounterClient.join(server, "counter/few");
  t.after(() => [writer, witness, counter].forEach((each) => each.close()));

  const crowd = Array.from({ length: CONNECTIONS }, () => knock(server));
  t.after(() => crowd.forEach(({ socket }) => socket.destroy()));
  // Not all of them: the kernel keeps only so many waiting.
  const isFull = () => server.said.some((line) => /cannot accept/.test(line));
  while (!isFull()) await pass(20);
  const before = processorMs(server.pid);
  const begun = performance.now();
  let told = 0;
  let slowest = 0;
  while (performance.now() - begun < WATCH_MS) {
    const asked = performance.now();
    told = await counter.next();
    writer.type(`[${told}]`);
    await witness.sees(`[${told}]`);
    slowest = Math.max(slowest, performance.now() - asked);
    await pass(100);
  }
  const used = (processorMs(server.pid) - before) / (performance.now() - begun);
  const answered = crowd.filter((each) => each.answered).length;
  const refusals = server.said.filter((line) => /cannot accept/.test(line)).length;
  console.log(
    `${answered} of ${CONNECTIONS} answered, ${refusals} pauses, ${(used * 100).toFixed(1)} % of a ` +
      `processor; those who were in waited at most ${slowest.toFixed(0)} ms`,
  );
  assert.ok(answered < CONNECTIONS && answered > DESCRIPTORS / 2, `${answered} were answered`);
  assert.ok(used < PROCESSOR_MAX, `${used} of a processor`);
  for (const editor of [writer, witness]) assert.deepEqual(editor.statuses, ["connected"]);
  assert.equal(counter.code, undefined);

  // Those who waited get in once others leave.
  const inside = crowd.filter((each) => each.answered);
  const waiting = crowd.filter((each) => !each.answered);
  for (const { socket } of inside) socket.destroy();
  await Promise.all(waiting.map(({ socket }) => once(socket, "data")));
  assert.equal(await counter.next(), told + 1);
});
