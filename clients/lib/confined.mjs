// What confines a server: descriptors, memory, a network of its own.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Words that run a command with so many file descriptors. */
export const withDescriptors = (count) => ["prlimit", `--nofile=${count}:${count}`];

let groups = 0;

/** A control group of memory, of either version. */
export class MemoryGroup {
  #folder;
  #limit;

  /** Makes one; undefined where that is not allowed. */
  static make(bytes) {
    const group = new MemoryGroup();
    const isFirst = existsSync("/sys/fs/cgroup/memory");
    const root = isFirst ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
    group.#folder = join(root, `greenroom-faults-${process.pid}-${(groups += 1)}`);
    group.#limit = isFirst ? "memory.limit_in_bytes" : "memory.max";
    try {
      mkdirSync(group.#folder);
      writeFileSync(join(group.#folder, group.#limit), String(bytes));
    } catch {
      return undefined;
    }
    return group;
  }

  /** Words that run a command in it. */
  get under() {
    return ["sh", "-c", `echo $$ >${join(this.#folder, "cgroup.procs")} && exec "$0" "$@"`];
  }

  /** Removes it; what ran in it has ended. */
  remove() {
    rmdirSync(this.#folder);
  }
}

/** Milliseconds of processor time that a process has used. */
export function processorMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  // User and system time, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Two ends of a cable: a server's network, and a peer's. Ends with the test. */
export class Cable {
  #names;
  /** The address of the server's end. */
  server = "10.213.7.1";

  /** Lays one; undefined where that is not allowed. */
  static lay(t) {
    const cable = new Cable();
    const id = process.pid;
    cable.#names = { server: `gr-s-${id}`, peer: `gr-p-${id}`, ends: [`grs${id}`, `grp${id}`] };
    const { server, peer, ends } = cable.#names;
    t.after(() => {
      for (const name of [server, peer]) ip("netns", "del", name);
    });
    const laid =
      ip("netns", "add", server) &&
      ip("netns", "add", peer) &&
      ip("link", "add", ends[0], "netns", server, "type", "veth", "peer", "name", ends[1], "netns", peer) &&
      ip("-n", server, "addr", "add", `${cable.server}/24`, "dev", ends[0]) &&
      ip("-n", peer, "addr", "add", "10.213.7.2/24", "dev", ends[1]) &&
      [server, peer].every((name) => ip("-n", name, "link", "set", "lo", "up")) &&
      ip("-n", server, "link", "set", ends[0], "up") &&
      ip("-n", peer, "link", "set", ends[1], "up");
    return laid ? cable : undefined;
  }

  /** Words that run a command at the server's end. */
  get atServer() {
    return ["ip", "netns", "exec", this.#names.server];
  }

  /** Words that run a command at the peer's end. */
  get atPeer() {
    return ["ip", "netns", "exec", this.#names.peer];
  }

  /** Cuts it: no end is told anything. */
  cut() {
    if (!ip("-n", this.#names.peer, "link", "set", this.#names.ends[1], "down")) {
      throw new Error("the cable could not be cut");
    }
  }
}

const ip = (...words) => spawnSync("ip", words, { stdio: "ignore" }).status === 0;
