// Unmodified y-sweet clients, let in by the unmodified SDK, on the rooms of all others.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DocumentManager } from "@y-sweet/sdk";
import * as Y from "yjs";
import { Editor } from "../lib/editor.mjs";
import { Socket } from "../lib/hocuspocus.mjs";
import { runs } from "../lib/runs.mjs";
import { Server } from "../lib/server.mjs";
import { Shim } from "../lib/shim.mjs";
import { pass } from "../lib/wait.mjs";
import { Sweet } from "../lib/ysweet.mjs";

/** A client asks each 2 s whether all is saved: what it is not told within this, it will not be. */
const ASKED_TWICE_MS = 4_500;

let server;
let manager;
before(async () => {
  server = await Server.start();
  manager = new DocumentManager(`ys://sk_localdev@${server.host}`);
});
after(() => server.dispose());

const letIn = (id, options) => () => manager.getClientToken(id, options);

test("the SDK makes, reads and updates documents", async () => {
  assert.deepEqual(await manager.checkStore(), { ok: true });
  const { docId } = await manager.createDoc();
  assert.match(docId, /^[A-Za-z0-9_-]{21}$/);
  assert.deepEqual(await manager.createDoc("notes"), { docId: "notes" });
  assert.deepEqual(await manager.createDoc("notes"), { docId: "notes" });
  const doc = new Y.Doc();
  doc.getText("text").insert(0, "hello");
  await manager.updateDoc("notes", Y.encodeStateAsUpdate(doc));
  const read = new Y.Doc();
  Y.applyUpdate(read, await manager.getDocAsUpdate("notes"));
  assert.equal(read.getText("text").toString(), "hello");
  await assert.rejects(manager.getClientToken("nothing-here"), /ServerError|404/);
  await assert.rejects(manager.createDoc("a/b"), /ServerError|400/);
  const reads = await manager.getDocConnection("notes", { authorization: "read-only" });
  await assert.rejects(reads.updateDoc(Y.encodeStateAsUpdate(doc)), /ServerError|403/);
  const forged = new DocumentManager(`ys://forged@${server.host}`);
  await assert.rejects(forged.createDoc("x"), { cause: { code: "InvalidAuthProvided" } });
});

test("three dialects edit one document", async () => {
  await manager.createDoc("three");
  const socket = new Socket(server, 4);
  const all = [new Sweet("three", letIn("three")), socket.open("three"), new Editor(server, "three")];
  await all[0].connected();
  await all[1].synced();
  await all[2].synced();
  for (const [at, one] of all.entries()) one.type(`[${at}]`);
  for (const one of all) for (const at of [0, 1, 2]) await one.sees(`[${at}]`);
  await all[0].saved();
  await all[1].saved();
  assert.equal(new Set(all.map(({ text }) => text.toString())).size, 1);
  for (const each of [...all, socket]) each.close();
});

test("what a client calls saved survives kill -9, and a loss of power", async () => {
  const shim = await Shim.build();
  const environment = shim === undefined ? undefined : (of) => shim.under(of);
  const own = await Server.start(environment);
  const there = new DocumentManager(`ys://sk_localdev@${own.host}`);
  let lost = 0;
  let written = "";
  for (let run = 0; run < runs; run += 1) {
    await there.createDoc("saved");
    const one = await new Sweet("saved", () => there.getClientToken("saved")).connected();
    await one.sees(written);
    for (const part of ["a", "b", "c"]) {
      one.type(part);
      written += part;
    }
    assert.ok(one.provider.hasLocalChanges);
    await one.saved();
    await own.kill();
    one.close();
    await own.restart();
    const late = await new Editor(own, "saved").synced();
    if (late.firstSight !== written) lost += 1;
    written = late.firstSight;
    late.close();
  }
  await own.dispose();
  await shim?.dispose();
  const what = shim === undefined ? "kills; power loss is NOT PROVEN" : "power losses";
  console.log(`y-sweet: ${lost} lost that were called saved, ${runs} ${what}`);
  assert.equal(lost, 0);
});

test("what is refused is never called saved", async () => {
  await manager.createDoc("reads");
  const writer = await new Sweet("reads", letIn("reads")).connected();
  const reader = await new Sweet("reads", letIn("reads", { authorization: "read-only" })).connected();
  await reader.saved();
  reader.type("refused");
  await pass(ASKED_TWICE_MS);
  assert.ok(reader.provider.hasLocalChanges);
  writer.type("taken");
  await writer.saved();
  await reader.sees("taken");
  assert.equal(writer.text.toString(), "taken");
  for (const each of [writer, reader]) each.close();
});
