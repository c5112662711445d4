import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const BINARY = resolve(process.env.GREENROOM_BIN ?? "../target/debug/greenroom");

/** A greenroom server in a process of its own, with a data directory that outlives a kill. */
export class Server {
  #process: ChildProcess;
  readonly #data: string;
  readonly #said: string[];
  /** Where it listens, for example `http://127.0.0.1:41207`. */
  readonly url: string;

  private constructor(process: ChildProcess, data: string, said: string[], url: string) {
    this.#process = process;
    this.#data = data;
    this.#said = said;
    this.url = url;
  }

  /** Starts a server on a free port and waits until it listens. */
  static async start(): Promise<Server> {
    if (!existsSync(BINARY)) {
      throw new Error(`${BINARY} is missing: build it, or name the binary in GREENROOM_BIN`);
    }
    const data = await mkdtemp(join(tmpdir(), "greenroom-page-"));
    const { process, said, url } = await run("127.0.0.1:0", data);
    return new Server(process, data, said, url);
  }

  /** Ends the process at once, as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }

  /** Starts it again at the same address on the same data. */
  async restart(): Promise<void> {
    const { process, said } = await run(new URL(this.url).host, this.#data);
    this.#process = process;
    this.#said.push("--- restarted ---", ...said);
  }

  /** Ends the process and removes its data. */
  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.#data, { recursive: true, force: true });
  }

  /** What the server printed so far. */
  get output(): string {
    return this.#said.join("\n");
  }
}

async function run(listen: string, data: string) {
  const child = spawn(BINARY, ["dev", "--listen", listen, "--data", data], {
    stdio: ["ignore", "ignore", "pipe"],
    // Without what is meant for these tests: the server would wonder about it.
    env: { ...process.env, GREENROOM_BIN: undefined, NO_COLOR: "1" },
  });
  const said: string[] = [];
  const lines = createInterface({ input: child.stderr });
  const url = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      said.push(line);
      const address = /listening on (http:\/\/\S+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`the server ended (${code}) before it listened:\n${said.join("\n")}`));
    });
  });
  return { process: child, said, url };
}
