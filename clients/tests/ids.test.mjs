// Edits that the server makes are under Yjs client ids of its own. One that was used is never used
// again: two edits with the same id and clock would be taken for one, and peers would differ for ever.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as Y from "yjs";
import { greenroom, Server } from "../lib/server.mjs";

const ROOM = "/api/rooms/ids";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.dispose());

async function put(to, path, body, type) {
  const headers = { "content-type": type };
  const answer = await fetch(to.url("http", `${ROOM}${path}`), { method: "PUT", headers, body });
  assert.equal(answer.status, 200, await answer.text());
}

/** Adds to the text and sets a value; gives the document as it is then. */
async function edit(to, mark) {
  const text = await fetch(to.url("http", `${ROOM}/document/text?root=text`));
  const before = text.ok ? await text.text() : "";
  await put(to, "/document/text?root=text", before + mark, "text/plain");
  const value = JSON.stringify(mark);
  await put(to, `/document/json?root=map&pointer=/${mark}`, value, "application/json");
  return await whole(to);
}

async function whole(of) {
  const answer = await fetch(of.url("http", `${ROOM}/document`));
  assert.equal(answer.status, 200);
  return new Uint8Array(await answer.arrayBuffer());
}

/** Whose edits are in an update, deleted ones included, and how many of each. */
function clients(update) {
  return Y.decodeStateVector(Y.encodeStateVectorFromUpdate(update));
}

/** Nobody who was known wrote more, and somebody new did. */
function areNew(before, now) {
  for (const [client, clock] of clients(before)) {
    assert.equal(clients(now).get(client), clock, `client ${client} is used again`);
  }
  const fresh = [...clients(now).keys()].filter((client) => !clients(before).has(client));
  assert.ok(fresh.length > 0, "the edits are somebody's");
  return fresh;
}

test("a server's edits reuse no client id after a kill and after a restore", async () => {
  let last = await edit(server, "a");
  for (const mark of ["b", "c"]) {
    await server.kill();
    await server.restart();
    const now = await edit(server, mark);
    areNew(last, now);
    last = now;
  }
  // The copy and the original go on from the same moment, each by itself.
  const file = join(server.folder, "ids.backup");
  const taken = await greenroom("backup", file, "--server", server.url("http", ""));
  assert.equal(taken.code, 0, taken.stderr);
  const fill = async (data) => {
    const restored = await greenroom("restore", file, "--data", data);
    assert.equal(restored.code, 0, restored.stderr);
  };
  const copy = await Server.start(undefined, { fill });
  try {
    await server.kill();
    await server.restart();
    const here = await edit(server, "here");
    const there = await edit(copy, "there");
    const [ours, theirs] = [areNew(last, here), areNew(last, there)];
    assert.deepEqual(ours.filter((client) => theirs.includes(client)), []);
    // Both are one document again, with what each wrote.
    const doc = new Y.Doc();
    for (const update of [here, there]) Y.applyUpdate(doc, update);
    assert.deepEqual(Object.keys(doc.getMap("map").toJSON()).sort(), ["a", "b", "c", "here", "there"]);
    assert.deepEqual([...doc.getText("text").toString()].sort(), [..."abcherethere"].sort());
  } finally {
    await copy.dispose();
  }
});
