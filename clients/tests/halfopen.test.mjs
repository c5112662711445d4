// A connection whose other end is gone without a word: row F12 of docs/faults.md. The cable between
// two networks is cut, so that neither side is told anything.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Cable } from "../lib/confined.mjs";
import { Server } from "../lib/server.mjs";
import { pass, until } from "../lib/wait.mjs";

const MISSING = "NOT PROVEN: a cable that is cut needs Linux and the right to make networks (ip netns)";
const PRESENT = join(import.meta.dirname, "../lib/present.mjs");
const PING_MS = 1_000;
const DEAD_MS = 2_500;
/** On top of it: how often silence is looked at, and a busy machine. */
const SLACK_MS = 2_000;
const PATIENCE_MS = 20_000;

/** Somebody in the room, in a network of its own. */
class Present extends EventEmitter {
  said = [];
  #process;

  constructor(t, under, server, room, name) {
    super();
    const words = [...under, process.execPath, PRESENT, server.url("ws", "/yjs"), room, name];
    this.#process = spawn(words[0], words.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => this.#process.kill("SIGKILL"));
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      this.said.push(JSON.parse(line));
      this.emit("said");
    });
  }

  count(key, value) {
    return this.said.filter((said) => said[key] === value).length;
  }

  async hears(key, value) {
    const heard = () => this.count(key, value) > 0;
    const what = () => `${key} ${value} is heard, so far: ${JSON.stringify(this.said)}`;
    await until(heard, [[this, "said"]], PATIENCE_MS, what);
  }
}

test("a peer whose cable is cut is missed in time, and its leave is told once", async (t) => {
  const cable = Cable.lay(t);
  if (cable === undefined) {
    console.log(MISSING);
    return t.skip(MISSING);
  }
  const limits = {
    GREENROOM_LIMITS_PING_INTERVAL_MS: String(PING_MS),
    GREENROOM_LIMITS_PEER_DEAD_MS: String(DEAD_MS),
  };
  const server = await Server.start(() => limits, {
    under: cable.atServer,
    listen: `${cable.server}:0`,
    words: ["--lan"],
  });
  t.after(() => server.dispose());
  const witness = new Present(t, cable.atServer, server, "cut", "witness");
  await witness.hears("status", "connected");
  const gone = new Present(t, cable.atPeer, server, "cut", "gone");
  await witness.hears("came", "gone");
  // It answers pings: silence alone is no death.
  await pass(2 * DEAD_MS);
  assert.equal(witness.count("left", "gone"), 0);

  cable.cut();
  const cut = performance.now();
  await witness.hears("left", "gone");
  const took = performance.now() - cut;
  console.log(`missed after ${took.toFixed(0)} ms: pings each ${PING_MS} ms, dead after ${DEAD_MS} ms`);
  assert.ok(took <= DEAD_MS + PING_MS + SLACK_MS, `${took} ms`);
  await pass(DEAD_MS);
  assert.equal(witness.count("left", "gone"), 1, "told once");
  assert.equal(witness.count("status", "disconnected"), 0);
  assert.equal(gone.count("came", "witness"), 1);
});
