// The greenroom binary as a child process, with a data directory that outlives a kill.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { within } from "./wait.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const BINARY = resolve(process.env.GREENROOM_BIN ?? join(ROOT, "target/debug/greenroom"));

/** How long a start may take on a busy machine, and an exit. */
const START_MS = 20_000;
const EXIT_MS = 30_000;

/** A server in a process of its own. */
export class Server {
  #process;
  #folder;
  #env;
  #options;
  /** Where it listens, for example `127.0.0.1:41207`; the same after each restart. */
  host;
  /** What it printed so far, line by line. */
  said = [];

  /**
   * Starts one on a free port and an empty data directory; `environment(server)` gives variables
   * for the process. Options: `folder`, made by the test, in which its own is made; `under`, words of
   * a command that runs it; `words`, more for its own; `listen`, an address;
   * `fill(data)`, called before it runs.
   */
  static async start(environment = () => ({}), options = {}) {
    if (!existsSync(BINARY)) {
      throw new Error(`${BINARY} is missing: build it, or name the binary in GREENROOM_BIN`);
    }
    const server = new Server();
    server.#options = { folder: tmpdir(), under: [], words: [], listen: "127.0.0.1:0", ...options };
    server.#folder = await mkdtemp(join(server.#options.folder, "greenroom-clients-"));
    server.#env = environment(server);
    server.host = server.#options.listen;
    await server.#options.fill?.(server.data);
    await server.#run();
    return server;
  }

  async #run() {
    this.#process = launch(this.host, this.data, this.#env, this.#options);
    const lines = createInterface({ input: this.#process.stderr });
    const listening = new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        this.said.push(line);
        const host = /listening on http:\/\/(\S+)/.exec(line)?.[1];
        if (host !== undefined) resolve(host);
      });
      this.#process.once("error", reject);
      this.#process.once("exit", (code) => {
        reject(new Error(`the server ended (${code}):\n${this.said.join("\n")}`));
      });
    });
    this.host = await within(START_MS, "the server listens", listening);
  }

  get pid() {
    return this.#process.pid;
  }

  /** Whether the process runs. */
  get alive() {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The data directory. */
  get data() {
    return join(this.#folder, "data");
  }

  /** A folder for what a test wants to keep beside the data. */
  get folder() {
    return this.#folder;
  }

  /** The address of a door, for example `url("ws", "/yjs")`. */
  url(scheme, path) {
    return `${scheme}://${this.host}${path}`;
  }

  /** Ends the process at once, as a crash would, and waits until it is gone. */
  async kill() {
    if (!this.alive) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await within(EXIT_MS, "the killed server is gone", gone);
  }

  /** Waits until the process has ended by itself, or by a fault. */
  async fell(ms = EXIT_MS) {
    if (!this.alive) return;
    await within(ms, "the server ends", once(this.#process, "exit"));
  }

  /** What `/readyz` says, with its status. */
  async readiness() {
    const answer = await fetch(this.url("http", "/readyz"));
    return { status: answer.status, ...(await answer.json()) };
  }

  /** Starts it again at the same address on the same data; `more` is added to its variables. */
  async restart(more = {}) {
    this.#env = { ...this.#env, ...more };
    await this.#run();
  }

  /** Asks it to stop; gives its exit code. */
  async stop() {
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = await within(EXIT_MS, "the server stops", gone);
    return code;
  }

  /** Runs a second server on the same data; gives its exit code and what it printed. */
  async rival() {
    const child = launch("127.0.0.1:0", this.data, this.#env, this.#options);
    let text = "";
    child.stderr.on("data", (part) => {
      text += part;
    });
    const [code] = await within(EXIT_MS, "the second server ends", once(child, "close"));
    return { code, text };
  }

  /** Ends the process and removes its data. */
  async dispose() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * Memory of the process in KiB as the kernel counts it: `rss` now, `peak` the most since the last
   * `resetPeak`, `reserved` the address space at its largest.
   */
  memory() {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)[1]);
    return { rss: of("VmRSS"), peak: of("VmHWM"), reserved: of("VmPeak") };
  }

  /** Lets the peak start anew at what is used now (proc(5), clear_refs). */
  resetPeak() {
    writeFileSync(`/proc/${this.pid}/clear_refs`, "5");
  }
}

/** Runs the command to its end; gives its exit code and what it printed. */
export async function greenroom(...words) {
  const child = spawn(BINARY, words, { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].on("data", (part) => {
      said[name] += part;
    });
  }
  const [code] = await within(EXIT_MS, `greenroom ${words[0]} ends`, once(child, "close"));
  return { code, ...said };
}

function launch(listen, data, env, { under, words }) {
  const own = ["dev", "--listen", listen, "--data", data, "--rooms", "counter/*=counter", ...words];
  const [program, ...rest] = [...under, BINARY, ...own];
  return spawn(program, rest, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...inherited(), NO_COLOR: "1", ...env },
  });
}

/** The environment without what is meant for these tests: the server would wonder about it. */
function inherited() {
  const ours = ([name]) => !name.startsWith("GREENROOM_");
  return Object.fromEntries(Object.entries(process.env).filter(ours));
}
