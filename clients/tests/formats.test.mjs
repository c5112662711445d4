// Data of other versions: row F29 of docs/faults.md. `fixtures/format-N.tar.gz` is a data directory
// that the first version with this format left behind: 42 increments, and a text with a snapshot.
// That of format 2 is the one of format 1 as it was brought forward.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CounterClient } from "../lib/counter.mjs";
import { Editor } from "../lib/editor.mjs";
import { greenroom, Server } from "../lib/server.mjs";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const FORMATS = [1, 2];
const FILE = "rooms-1.db";
/** Where SQLite keeps the number of the format: `user_version`, big-endian. */
const VERSION_AT = 60;

function unpack(format, data) {
  mkdirSync(data);
  const archive = join(FIXTURES, `format-${format}.tar.gz`);
  assert.equal(spawnSync("tar", ["-xzf", archive, "-C", data]).status, 0);
}

for (const format of FORMATS) {
  test(`data of format ${format} is read and written on`, async (t) => {
    const server = await Server.start(undefined, { fill: (data) => unpack(format, data) });
    t.after(() => server.dispose());
    for (const expected of [43, 44]) {
      const counter = await CounterClient.join(server, "counter/kept");
      const editor = await new Editor(server, "notes/kept").synced();
      t.after(() => [counter, editor].forEach((each) => each.close()));
      assert.equal(editor.firstSight, `written by format 1${".".repeat(600)}`);
      assert.equal(await counter.next(), expected);
      await server.kill();
      await server.restart();
    }
  });
}

test("data of a newer format is refused, and left as it is", async (t) => {
  const newer = FORMATS.at(-1) + 1;
  const server = await Server.start(undefined, { fill: (data) => unpack(FORMATS.at(-1), data) });
  t.after(() => server.dispose());
  await server.stop();
  const file = join(server.data, FILE);
  const bytes = readFileSync(file);
  assert.equal(bytes.readUInt32BE(VERSION_AT), newer - 1);
  bytes.writeUInt32BE(newer, VERSION_AT);
  writeFileSync(file, bytes);
  const said = await server.rival();
  assert.notEqual(said.code, 0);
  const error = `data has format ${newer}, this program reads up to ${newer - 1}`;
  assert.ok(said.text.includes(error), said.text);
  assert.match(said.text, /hint: run the newer version that wrote it/);
  assert.deepEqual(readFileSync(file), bytes);
  const check = await greenroom("config", "check", "--data", server.data);
  assert.notEqual(check.code, 0);
  assert.ok(`${check.stdout}${check.stderr}`.includes(error), JSON.stringify(check));
});
