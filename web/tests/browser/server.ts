import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const BINARY = resolve(process.env.GREENROOM_BIN ?? "../target/debug/greenroom");

/** `dev` lets everybody in; `serve` asks for a token. */
export type Mode = "dev" | "serve";

/** A greenroom server in a process of its own, with a data directory that outlives a kill. */
export class Server {
  #process: ChildProcess;
  readonly #mode: Mode;
  readonly #data: string;
  readonly #said: string[];
  /** Where it listens, for example `http://127.0.0.1:41207`. */
  readonly url: string;

  private constructor(
    mode: Mode,
    process: ChildProcess,
    data: string,
    said: string[],
    url: string,
  ) {
    this.#mode = mode;
    this.#process = process;
    this.#data = data;
    this.#said = said;
    this.url = url;
  }

  /** Starts a server on a free port and waits until it listens. */
  static async start(mode: Mode = "dev"): Promise<Server> {
    if (!existsSync(BINARY)) {
      throw new Error(`${BINARY} is missing: build it, or name the binary in GREENROOM_BIN`);
    }
    const data = await mkdtemp(join(tmpdir(), "greenroom-page-"));
    if (mode === "serve") await command("token", "init", "--data", data);
    const { process, said, url } = await run(mode, "127.0.0.1:0", data);
    return new Server(mode, process, data, said, url);
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
    const { process, said } = await run(this.#mode, new URL(this.url).host, this.#data);
    this.#process = process;
    this.#said.push("--- restarted ---", ...said);
  }

  /** A link that signs in to the console, once. */
  async link(): Promise<string> {
    return command("token", "admin", "--data", this.#data, "--server", this.url);
  }

  /** A token that may operate the server. */
  async adminToken(): Promise<string> {
    return command("token", "new", "--user", "ops", "--admin", "--data", this.#data);
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

// Without what is meant for these tests: the server would wonder about it.
const ENVIRONMENT = { ...process.env, GREENROOM_BIN: undefined, NO_COLOR: "1" };

/** What the command prints. */
async function command(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(BINARY, args, { env: ENVIRONMENT });
  return stdout.trim();
}

async function run(mode: Mode, listen: string, data: string) {
  const child = spawn(BINARY, [mode, "--listen", listen, "--data", data], {
    stdio: ["ignore", "ignore", "pipe"],
    env: ENVIRONMENT,
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
