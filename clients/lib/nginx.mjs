// nginx with the configuration of `deploy/`, on a free port, in front of a server.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { within } from "./wait.mjs";

const CONFIGURATION = resolve(import.meta.dirname, "../../deploy/nginx/greenroom.conf");

/** How long a start may take on a busy machine, and an exit. */
const START_MS = 20_000;

/** How often another port is tried when somebody took the one that was free. */
const TRIES_MAX = 5;

/** The program; undefined where it is not installed. */
export const nginx = ["nginx", "/usr/sbin/nginx"].find(
  (program) => spawnSync(program, ["-v"]).status === 0,
);

/** nginx in front of one server. */
export class Nginx {
  #process;
  /** Where it listens. */
  host;

  /** Starts one that keeps its files in the folder of the server. */
  static async start(server) {
    const own = await readFile(CONFIGURATION, "utf8");
    for (let tried = 1; ; tried += 1) {
      const proxy = new Nginx();
      proxy.host = `127.0.0.1:${await freePort()}`;
      try {
        await proxy.#run(join(server.folder, `nginx-${tried}`), own, server.host);
        return proxy;
      } catch (error) {
        if (tried === TRIES_MAX) throw error;
      }
    }
  }

  async #run(folder, own, upstream) {
    await mkdir(folder);
    // What a machine differs in, and nothing else.
    const changed = own
      .replace("server 127.0.0.1:8080;", `server ${upstream};`)
      .replace("listen 80;", `listen ${this.host};`);
    await writeFile(join(folder, "greenroom.conf"), changed);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const main = `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr notice;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  include ${folder}/greenroom.conf;
}
`;
    await writeFile(join(folder, "nginx.conf"), main);
    this.#process = spawn(nginx, ["-p", folder, "-c", join(folder, "nginx.conf")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said = [];
    const lines = createInterface({ input: this.#process.stderr });
    const started = new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        said.push(line);
        // Written behind the bind, when it has all that it serves with.
        if (line.includes("start worker") || /OS: /.test(line)) resolve();
      });
      this.#process.once("error", reject);
      this.#process.once("exit", () => reject(new Error(`nginx ended:\n${said.join("\n")}`)));
    });
    await within(START_MS, "nginx listens", started);
  }

  /** The address of a door behind it. */
  url(scheme, path) {
    return `${scheme}://${this.host}${path}`;
  }

  /** Ends it. */
  async dispose() {
    if (this.#process.exitCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await within(START_MS, "nginx is gone", gone);
  }
}

/** A port that is free now: nginx cannot be told to look for one itself. */
async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
