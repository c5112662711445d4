// The libraries that are preloaded into a server: see shim/.

import { spawnSync } from "node:child_process";
import { closeSync, createReadStream, openSync, readSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const SOURCES = resolve(import.meta.dirname, "../shim");

/** The kind and the length of the journal's record of a counter (store/envelope.rs). */
const SAVED = "0308";

/** A compiled library. */
class Library {
  #folder;
  #name;

  /** Compiles `name`.c; undefined where there is no C compiler, or nothing to preload into. */
  static async build(name) {
    const cc = process.env.CC ?? "cc";
    if (process.platform !== "linux" || spawnSync(cc, ["--version"]).status !== 0) return undefined;
    const library = new this();
    library.#folder = await mkdtemp(join(tmpdir(), "greenroom-shim-"));
    library.#name = name;
    const words = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"];
    const source = join(SOURCES, `${name}.c`);
    const built = spawnSync(cc, [...words, "-pthread", "-o", library.file, source, "-ldl"]);
    if (built.status !== 0) throw new Error(`${name}.c does not compile:\n${built.stderr}`);
    return library;
  }

  get file() {
    return join(this.#folder, `${this.#name}.so`);
  }

  async dispose() {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Makes kill -9 behave like a power loss. */
export class Shim extends Library {
  static build() {
    return super.build("unsynced");
  }

  /** The variables that put a server on it. */
  under = (server) => ({ LD_PRELOAD: this.file, UNSYNCED_DIR: server.data });

  /** As `under`, with a log of what happened, for `Trace.read`. */
  traced = (server) => ({
    ...this.under(server),
    UNSYNCED_LOG: Trace.path(server),
    UNSYNCED_NEEDLE: "new value: ",
  });

  /** Makes syncs do nothing: what a test must notice. */
  static lie = { UNSYNCED_LIE: "1" };
}

/** Counts what a server allocates. */
export class Allocations extends Library {
  #counters;

  static build() {
    return super.build("allocations");
  }

  /** The variables that put a server on it. */
  under = (server) => ({ LD_PRELOAD: this.file, ALLOCATIONS_FILE: join(server.folder, "counters") });

  /** Reads the counters of this server from now on; it has to run. */
  watch(server) {
    if (this.#counters !== undefined) closeSync(this.#counters);
    this.#counters = openSync(join(server.folder, "counters"), "r+");
  }

  /** The bytes that are allocated now, and the most since the last `reset`. */
  read() {
    const both = Buffer.alloc(16);
    readSync(this.#counters, both, 0, 16, 0);
    return { now: Number(both.readBigInt64LE(0)), most: Number(both.readBigInt64LE(8)) };
  }

  /** Lets the most start anew. */
  reset() {
    writeSync(this.#counters, Buffer.alloc(8), 0, 8, 8);
  }
}

/** What a traced server wrote, synced and sent, in order. */
export class Trace {
  #events = [];

  static path(server) {
    return join(server.folder, "trace");
  }

  static async read(server) {
    const trace = new Trace();
    for await (const line of createInterface({ input: createReadStream(Trace.path(server)) })) {
      const [what, ...rest] = line.split(" ");
      if (what === "write") trace.#events.push({ what, name: rest[0], bytes: rest[2] });
      else if (what === "sync") trace.#events.push({ what, name: rest[0] });
      else trace.#events.push({ what, value: Number(rest[0]) });
    }
    return trace;
  }

  /** How many events of a kind there are. */
  count(what) {
    return this.#events.filter((event) => event.what === what).length;
  }

  /**
   * The values of 1 to `last` that left too early. Holds for one client that asks for a value only
   * after it was told the one before: so the record of a value is written after the value before
   * was sent, and the value may leave only when the file of that write was synced after the write.
   */
  early(last) {
    const sent = new Map();
    for (const [at, event] of this.#events.entries()) {
      if (event.what === "sent" && !sent.has(event.value)) sent.set(event.value, at);
    }
    const early = [];
    for (let value = 1; value <= last; value += 1) {
      const from = sent.get(value - 1) ?? 0;
      if (!this.#covered(value, from, sent.get(value) ?? from)) early.push(value);
    }
    return early;
  }

  /** Whether the record of `value` was written and then synced between two events. */
  #covered(value, from, to) {
    const record = SAVED + value.toString(16).padStart(16, "0");
    const unsynced = new Set();
    for (const event of this.#events.slice(from, to)) {
      if (event.what === "write" && event.bytes.includes(record)) unsynced.add(event.name);
      if (event.what === "sync" && unsynced.has(event.name)) return true;
    }
    return false;
  }
}
