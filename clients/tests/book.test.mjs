// The JavaScript of the book and of README.md runs as it stands there, with the packages that it
// names, against a server that listens elsewhere than the pages say.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { Server } from "../lib/server.mjs";
import { pass, within } from "../lib/wait.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
const PATIENCE_MS = 20_000;
const ASKED_EACH_MS = 25;

/** What is seen of a page's code when it does what the page says. */
const SEEN = {
  "README.md": async (server) => {
    await until("it is in the room", async () => (await room(server, "my-room"))?.sessions.length === 1);
  },
  "docs/guides/hocuspocus.md": async (server, said) => {
    for (const name of ["docs%2Fa", "docs%2Fb", "docs%2Fc"]) {
      await until(`it is in ${name}`, async () => (await room(server, name))?.sessions.length === 1);
    }
    const path = "/api/rooms/docs%2Fa/events";
    const headers = { "content-type": "text/plain" };
    await fetch(server.url("http", path), { method: "POST", headers, body: "published" });
    await until("it is told", () => said().includes("published\n"));
  },
  "docs/guides/y-sweet.md": async (server, said) => {
    await until("it is told that it is saved", () => said().includes("saved\n"));
    await until("the server has it", async () => {
      const path = "/api/rooms/notes/document/text?root=body";
      return (await (await fetch(server.url("http", path))).text()) === "hello";
    });
  },
  "docs/start/first-page.md": async (server, said) => {
    await until("it says what it wrote", () => said().includes("hello \n"));
    await until("the server has it", async () => {
      const path = "/api/rooms/my-room/document/text?root=notes";
      return (await (await fetch(server.url("http", path))).text()) === "hello ";
    });
    await until("it says who is here", async () => {
      const present = await (await fetch(server.url("http", "/api/rooms/my-room/presence"))).json();
      return JSON.stringify(present).includes('"name":"ada"');
    });
    const other = new WebsocketProvider(server.url("ws", "/yjs"), "my-room", new Y.Doc(), {
      WebSocketPolyfill: WebSocket,
      disableBc: true,
    });
    other.awareness.setLocalStateField("user", { name: "bob" });
    try {
      await until("it hears who comes", () => said().includes("2\n"));
    } finally {
      other.destroy();
      other.doc.destroy();
    }
  },
  "docs/start/first-room.md": async (_, said) => {
    await until("the counter counts", () => said().includes("new value: 1\n"));
  },
};

/** Asks until it is so; the caller bounds that. */
async function until(what, isSo) {
  while (!(await isSo())) await pass(ASKED_EACH_MS);
  console.log(what);
}

async function room(server, name) {
  const answer = await fetch(server.url("http", `/api/rooms/${name}`));
  return answer.ok ? await answer.json() : undefined;
}

/** Of a receiver, not of a client: `hooks.test.mjs` runs it. */
const ELSEWHERE = ["docs/guides/hooks.md"];

/** The pages with blocks that are fenced as `js`: path from the root, and code. */
function pages() {
  const files = readdirSync(join(ROOT, "docs"), { recursive: true }).map((path) => join("docs", path));
  const found = {};
  for (const path of ["README.md", ...files.filter((name) => name.endsWith(".md"))]) {
    const text = readFileSync(join(ROOT, path), "utf8");
    const blocks = [...text.matchAll(/^```(?:js|javascript|ts|typescript)\n(.*?)^```$/gms)];
    if (blocks.length > 0 && !ELSEWHERE.includes(path)) found[path] = blocks.map(([, code]) => code).join("\n");
  }
  return found;
}

test("what is expected of each page is known", () => {
  assert.deepEqual(Object.keys(pages()).sort(), Object.keys(SEEN).sort());
});

for (const [page, code] of Object.entries(pages())) {
  test(`the JavaScript of ${page} does what the page says`, async (t) => {
    const server = await Server.start();
    t.after(() => server.dispose());
    // Node.js has it since 22.
    const socket = 'globalThis.WebSocket ??= (await import("ws")).WebSocket;\n';
    const here = code.replaceAll("localhost:8080", server.host);
    assert.notEqual(here, code, "it names a server");
    const child = spawn(process.execPath, ["--input-type=module", "--eval", socket + here], {
      cwd: join(ROOT, "clients"),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(child, "close");
    t.after(async () => {
      child.kill();
      await ended;
    });
    let said = "";
    let failed = "";
    child.stdout.on("data", (part) => {
      said += part;
    });
    child.stderr.on("data", (part) => {
      failed += part;
    });
    const gone = ended.then(([code]) => {
      throw new Error(`it ended (${code}): ${failed}`);
    });
    gone.catch(() => {});
    await within(PATIENCE_MS, page, Promise.race([SEEN[page](server, () => said), gone]));
    assert.equal(failed, "");
  });
}
