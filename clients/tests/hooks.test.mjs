// Webhooks: what the user's own server is told, also after a kill, and where it is not asked.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import WebSocket from "ws";
import * as Y from "yjs";
import { Editor, editors } from "../lib/editor.mjs";
import { Receiver, SECRET } from "../lib/receiver.mjs";
import { Server } from "../lib/server.mjs";
import { pass, until } from "../lib/wait.mjs";

const GUIDE = resolve(import.meta.dirname, "../../docs/guides/hooks.md");

let server;
let receiver;
before(async () => {
  receiver = await Receiver.start();
  const hooks = [
    ["on_change", "told/**"],
    ["on_unload", "told/**"],
    ["on_load", "made/**"],
    ["authenticate", "known/**"],
  ];
  server = await Server.start(() => ({
    ...receiver.environment(hooks),
    GREENROOM_LIMITS_ROOM_IDLE_MS: "200",
  }));
});
after(async () => {
  await server.dispose();
  receiver.close();
  assert.deepEqual(receiver.wrong, []);
});

const about = (path, room, text) => (got) =>
  got.path === path && got.message.data.room === room &&
  (text === undefined || got.message.data.text?.text === text);

/** Waits until the server has printed a line with `part`. */
const printed = (part) =>
  until(
    () => server.said.some((line) => line.includes(part)),
    [[{ on: (_, look) => (timer = setInterval(look, 50)), off: () => clearInterval(timer) }, ""]],
    20_000,
    () => `it prints ${part}:\n${server.said.join("\n")}`,
  );
let timer;

test("a change is told with its content, then that the room was unloaded", async () => {
  const [ada] = await editors(1, server, "told/a");
  for (const text of ["one ", "two ", "three"]) ada.type(text);
  const { message, headers } = await receiver.wait(
    about("/on_change", "told/a", "one two three"), "the change");
  assert.equal(message.type, "document.changed");
  assert.deepEqual(message.data.json, { text: "one two three" });
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Buffer.from(message.data.update, "base64"));
  assert.equal(doc.getText("text").toString(), "one two three");
  assert.match(headers["webhook-id"], /^chg_[0-9a-f]{32}_[0-9a-f]{8}_\d+$/);
  assert.equal(receiver.got.filter(about("/on_change", "told/a")).length, 1, "once, not thrice");
  ada.close();
  const end = await receiver.wait(about("/on_unload", "told/a"), "the end");
  assert.equal(end.message.data.reason, "idle");
});

test("a receiver that fails thrice is asked again, with the same id", async (t) => {
  let failures = 3;
  receiver.answer = ({ message }) =>
    message.data.room === "told/b" && failures-- > 0 ? { status: 500 } : undefined;
  const [ada] = await editors(1, server, "told/b");
  t.after(() => ada.close());
  ada.type("text");
  await receiver.wait((got) => about("/on_change", "told/b")(got) && got.status === 204, "it is taken");
  const all = receiver.got.filter(about("/on_change", "told/b"));
  assert.deepEqual(all.map((got) => got.status), [500, 500, 500, 204]);
  assert.equal(new Set(all.map((got) => got.headers["webhook-id"])).size, 1);
  const waits = all.slice(1).map((got, at) => got.at - all[at].at);
  assert.ok(waits[0] > 900 && waits[2] > 3_900, `${waits} ms`);
});

test("what hooks do is counted", async () => {
  receiver.answer = ({ message }) => (message.data.room === "told/e" ? { status: 500 } : undefined);
  const [ada] = await editors(1, server, "told/e");
  ada.type("text");
  await receiver.wait(about("/on_change", "told/e"), "the first try");
  ada.close();
  const page = await (await fetch(server.url("http", "/metrics"))).text();
  const value = (series) =>
    Number(new RegExp(`^${series.replace(/[{}]/g, "\\$&")} (.*)$`, "m").exec(page)?.[1] ?? 0);
  const delivered = 'greenroom_hook_deliveries_total{hook="on_change",outcome="delivered"}';
  assert.equal(value(delivered), 2);
  assert.ok(value('greenroom_hook_failures_total{hook="on_change"}') >= 3);
  assert.ok(value('greenroom_hook_seconds_count{hook="on_change"}') >= 5);
  assert.ok(value("greenroom_hook_queue") >= 1);
  assert.ok(value("greenroom_hook_oldest_seconds") > 0);
  assert.match(page, /greenroom_hook_seconds_bucket/);
  receiver.answer = () => undefined;
});

const JSON_TYPE = { "content-type": "application/json" };

test("a room without data asks once for 20 who join, and shows what is stored", async (t) => {
  receiver.answer = async ({ path }) => {
    if (path !== "/on_load") return undefined;
    await pass(300);
    return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ text: "from elsewhere " }) };
  };
  const all = Array.from({ length: 20 }, () => new Editor(server, "made/a"));
  t.after(() => all.forEach((editor) => editor.close()));
  await Promise.all(all.map((editor) => editor.synced()));
  for (const editor of all) assert.equal(editor.firstSight, "from elsewhere ");
  const asked = receiver.got.filter((got) => got.path === "/on_load");
  assert.deepEqual(asked.map(({ message }) => message.data), [{ room: "made/a", document: "" }]);
  all[0].type("and here");
  await all[19].sees("from elsewhere and here");
  all.forEach((editor) => editor.close());
  await server.kill();
  await server.restart();
  const [late] = await editors(1, server, "made/a");
  assert.equal(late.firstSight.slice(0, 15), "from elsewhere ");
  late.close();
  assert.equal(receiver.got.filter((got) => got.path === "/on_load").length, 1);
});

test("without an answer a room is not made, and with one it is", async (t) => {
  const doc = new Y.Doc();
  doc.getText("text").insert(0, "an update");
  const type = { "content-type": "application/octet-stream" };
  let failures = 1;
  receiver.answer = ({ path }) =>
    path !== "/on_load" || failures-- > 0
      ? { status: 500 }
      : { status: 200, headers: type, body: Y.encodeStateAsUpdate(doc) };
  const ada = new Editor(server, "made/b");
  t.after(() => ada.close());
  await ada.synced();
  assert.deepEqual(ada.closes, [4504], "transient");
  assert.equal(ada.firstSight, "an update");
  receiver.answer = () => ({ status: 200, headers: type, body: "nonsense" });
  const bob = new Editor(server, "made/c");
  t.after(() => bob.close());
  await until(() => bob.closes.length > 0, [[bob.provider, "connection-close"]], 20_000, () => "closed");
  bob.close();
  assert.equal((await fetch(server.url("http", "/api/rooms/made%2Fc"))).status, 404);
  receiver.answer = () => undefined;
  const [cleo] = await editors(1, server, "made/d");
  t.after(() => cleo.close());
  assert.equal(cleo.firstSight, "", "204: it holds nothing at first");
});

test("a hook says who may join whom no token makes known", async (t) => {
  let failures = 1;
  receiver.answer = ({ path, headers, message }) => {
    if (path !== "/authenticate") return undefined;
    if (failures-- > 0) return { status: 502 };
    const rights = { "session=ada": ["read", "write", "presence"], "session=bob": ["read"] };
    const found = rights[headers.cookie];
    if (found === undefined) return { status: message.data.token === "theirs" ? 403 : 401 };
    return { status: 200, headers: JSON_TYPE, body: JSON.stringify({ user: "x", rights: found }) };
  };
  const as = (cookie) =>
    class extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols, { headers: cookie === undefined ? {} : { cookie } });
      }
    };
  const open = (cookie, params = {}) => {
    const editor = new Editor(server, "known/a", { WebSocketPolyfill: as(cookie), params });
    t.after(() => editor.close());
    return editor;
  };
  const ada = await open("session=ada").synced();
  assert.deepEqual(ada.closes, [4504], "no answer is transient");
  const bob = await open("session=bob").synced();
  ada.type("from ada");
  await bob.sees("from ada");
  const { message } = receiver.got.find((got) => got.path === "/authenticate");
  assert.deepEqual(message.data, { room: "known/a", document: "", protocol: "yjs", token: null });
  const refused = async (editor) => {
    const closed = () => editor.closes.length > 0;
    await until(closed, [[editor.provider, "connection-close"]], 20_000, () => "it is closed");
    return editor.closes[0];
  };
  assert.equal(await refused(open(undefined)), 4401);
  assert.equal(await refused(open(undefined, { token: "theirs" })), 4403);
});

test("a kill between change and delivery loses nothing", async () => {
  receiver.answer = ({ message }) => (message.data.room === "told/c" ? { status: 503 } : undefined);
  const [ada, bob] = await editors(2, server, "told/c");
  ada.type("kept");
  await bob.sees("kept");
  await receiver.wait(about("/on_change", "told/c"), "the first try");
  await server.kill();
  ada.close();
  bob.close();
  receiver.answer = () => undefined;
  receiver.got.length = 0;
  await server.restart();
  const { message } = await receiver.wait(about("/on_change", "told/c"), "it is told after the start");
  assert.equal(message.data.text.text, "kept");
});

test("the examples of the guide check signatures", async () => {
  const guide = readFileSync(GUIDE, "utf8");
  const block = (language) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(guide)[1];
  const { headers, raw } = receiver.got.find((got) => got.path === "/on_change");
  const file = join(server.folder, "verify.mjs");
  writeFileSync(file, block("js"));
  const { verify } = await import(pathToFileURL(file));
  assert.equal(verify(SECRET, headers, raw).type, "document.changed");
  const forged = Buffer.concat([raw, Buffer.from(" ")]);
  assert.throws(() => verify(SECRET, headers, forged), /signature/);
  const old = { ...headers, "webhook-timestamp": "1000000000" };
  assert.throws(() => verify(SECRET, old, raw), /old/);
  const python = `${block("python")}
import sys
secret, headers, body = json.loads(sys.stdin.read())
print(verify(secret, headers, base64.b64decode(body))["type"])
try:
    verify(secret, headers, base64.b64decode(body) + b" ")
except ValueError as error:
    print(error)
`;
  const input = JSON.stringify([SECRET, headers, raw.toString("base64")]);
  const ran = spawnSync("python3", ["-c", python], { input, encoding: "utf8" });
  assert.equal(ran.stderr, "");
  assert.match(ran.stdout, /^document.changed\n.*signature/);
});

test("a private address is not asked unless it is allowed", async () => {
  await server.stop();
  await server.restart({ GREENROOM_WEBHOOKS_PRIVATE: "10.0.0.0/8" });
  const before = receiver.got.length;
  const ada = await new Editor(server, "told/d").synced();
  ada.type("secret");
  await printed("is a private address");
  ada.close();
  assert.equal(receiver.got.length, before);
});
