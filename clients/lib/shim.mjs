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

  /** As `under`, with syncs that fail when `fail` says so. */
  failing = (server) => ({ ...this.under(server), UNSYNCED_FAIL: failures(server) });

  /** Lets so many of the next syncs fail, `-1` for all from now on. */
  static fail(server, count) {
    const numbers = new Numbers(failures(server));
    numbers.set(0, count);
    numbers.close();
  }

  /** How many syncs failed. */
  static failed(server) {
    const numbers = new Numbers(failures(server));
    const failed = numbers.get(1);
    numbers.close();
    return failed;
  }

  /** Makes syncs do nothing: what a test must notice. */
  static lie = { UNSYNCED_LIE: "1" };
}

const failures = (server) => join(server.folder, "failures");

/** A file of numbers that a library and the tests share. */
class Numbers {
  #file;

  constructor(path) {
    this.#file = openSync(path, "r+");
  }

  get(at) {
    const one = Buffer.alloc(8);
    readSync(this.#file, one, 0, 8, at * 8);
    return Number(one.readBigInt64LE(0));
  }

  set(at, value) {
    const one = Buffer.alloc(8);
    one.writeBigInt64LE(BigInt(value));
    writeSync(this.#file, one, 0, 8, at * 8);
  }

  close() {
    closeSync(this.#file);
  }
}

/** Calls that can fail, by the numbers of faults.c. */
export const Call = { write: 1, sync: 2, rename: 4, remove: 8, cut: 16, send: 32 };

/** What can happen to a call. */
export const Fate = {
  fails: 1,
  isDoneAndFails: 2,
  isShort: 3,
  isHalfDoneAndFails: 4,
  killsBefore: 5,
  killsAfter: 6,
  killsHalfway: 7,
};

/** Error numbers of Linux. */
export const Errno = { EINTR: 4, EIO: 5, ENOSPC: 28 };

/** Makes calls on a server's files fail. */
export class Faults extends Library {
  static build() {
    return super.build("faults");
  }

  /** The variables that put a server on it. */
  under = (server) => ({
    LD_PRELOAD: this.file,
    FAULTS_DIR: server.data,
    FAULTS_FILE: join(server.folder, "faults"),
  });

  /**
   * Says what happens to calls of a server from now on; there are two plans, `at` says which. The
   * first `pass` calls pass, then it happens to `times` of them, -1 for all.
   */
  plan(server, fate, calls, { pass = 0, times = 1, error = Errno.EIO, at = 0 } = {}) {
    const numbers = new Numbers(join(server.folder, "faults"));
    const all = [0, calls, pass, times, error, 0, 0, 0];
    // The fate last: before it the plan counts for nothing.
    for (const [n, value] of all.entries()) numbers.set(at * 8 + n, value);
    numbers.set(at * 8, fate);
    numbers.close();
  }

  /** Lets everything succeed again; gives how often each plan happened. */
  heal(server) {
    const numbers = new Numbers(join(server.folder, "faults"));
    const happened = [numbers.get(6), numbers.get(14)];
    numbers.set(0, 0);
    numbers.set(8, 0);
    numbers.close();
    return happened;
  }
}

/** Moves a server's clocks. */
export class Clock extends Library {
  static build() {
    return super.build("clock");
  }

  /** The variables that put a server on it. */
  under = (server) => ({ LD_PRELOAD: this.file, CLOCK_FILE: join(server.folder, "clock") });

  /** Moves the wall clock so far from the true time, in milliseconds. */
  jump(server, ms) {
    this.#set(server, 0, ms);
  }

  /** Stops the monotonic clock. */
  stall(server) {
    this.#set(server, 2, Math.floor(Number(process.hrtime.bigint() / 1_000_000n)));
  }

  /** Lets the monotonic clock go on from where it stands: `stalled` ms were lost. */
  resume(server, stalled) {
    this.#set(server, 1, -stalled);
    this.#set(server, 2, 0);
  }

  #set(server, at, value) {
    const numbers = new Numbers(join(server.folder, "clock"));
    numbers.set(at, value);
    numbers.close();
  }
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
