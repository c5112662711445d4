// A full disk: row F6 of docs/faults.md.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { Editor, editors } from "../lib/editor.mjs";
import { Server } from "../lib/server.mjs";
import { pass, until } from "../lib/wait.mjs";
import { windowPassed } from "../lib/window.mjs";

const MISSING = "NOT PROVEN: a full disk needs Linux and the right to mount";
/** Within which writes are taken again once there is space. */
const RECOVERY_MS = 5_000;

/** A small file system in memory that ends with the test; undefined where that is not allowed. */
function smallDisk(t, size) {
  const folder = mkdtempSync(join(tmpdir(), "greenroom-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  t.after(() => {
    // Lazily: the server may still hold files there.
    spawnSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return mounted.status === 0 ? folder : undefined;
}

/** Fills the disk to the last byte; gives what removes it again. */
function fill(folder) {
  const ballast = join(folder, "ballast");
  const blob = Buffer.alloc(64 << 10);
  for (const size of [blob.length, 4_096, 1]) {
    try {
      for (;;) writeFileSync(ballast, blob.subarray(0, size), { flag: "a" });
    } catch (error) {
      if (error.code !== "ENOSPC") throw error;
    }
  }
  return () => rmSync(ballast);
}

test("a full disk refuses, loses nothing, delays nobody, and recovers by itself", async (t) => {
  const folder = smallDisk(t, "24m");
  if (folder === undefined) {
    console.log(MISSING);
    return t.skip(MISSING);
  }
  const server = await Server.start(undefined, { folder });
  t.after(() => server.dispose());
  const [writer, witness] = await editors(2, server, "disk/text");
  let counter = await CounterClient.join(server, "counter/disk");
  t.after(() => [writer, witness, counter].forEach((each) => each.close()));
  for (let n = 1; n <= 20; n += 1) assert.equal(await counter.next(), n);
  writer.type("before ");
  await witness.sees("before ");
  await windowPassed(server);

  const free = fill(folder);
  let said = counter.value;
  let told;
  while (typeof said === "number") {
    told = said;
    said = await counter.ask();
  }
  assert.equal(said, "closed 4012", "with a code that says to come back");
  counter = await CounterClient.join(server, "counter/disk");
  assert.equal(await counter.ask(), "store_unavailable", "a code, not silence");
  const { status, reasons } = await server.readiness();
  assert.equal(status, 503);
  assert.match(reasons.join(), /store full/);
  // Others: presence and edits are told, though none of it is kept yet.
  writer.type("meanwhile ");
  await witness.sees("meanwhile ");
  writer.provider.awareness.setLocalState({ mood: "fine" });
  const { awareness } = witness.provider;
  const heard = () => awareness.getStates().get(writer.doc.clientID)?.mood === "fine";
  await until(heard, [[awareness, "change"]], RECOVERY_MS, () => "presence is heard");
  for (const editor of [writer, witness]) assert.deepEqual(editor.statuses, ["connected"]);

  free();
  const freed = performance.now();
  let value;
  while (typeof value !== "number") {
    value = await counter.ask();
    if (performance.now() - freed > RECOVERY_MS) break;
    await pass(50);
  }
  const took = performance.now() - freed;
  console.log(`writes were taken ${took.toFixed(0)} ms after there was space`);
  assert.ok(took <= RECOVERY_MS);
  assert.equal(value, told + 1, "nothing was counted that was not told, and nothing lost");
  assert.equal((await server.readiness()).status, 200);
  // What was typed meanwhile is asked for again, and kept.
  writer.type("after");
  await witness.sees("after");
  const late = await kept(server, writer.text.toString());
  t.after(() => late.close());
});

/** Waits until the store has the text: a reader on a killed and restarted server sees it first. */
async function kept(server, text) {
  await windowPassed(server);
  await windowPassed(server);
  await server.kill();
  await server.restart();
  const late = await new Editor(server, "disk/text").synced();
  await late.sees(text);
  return late;
}
