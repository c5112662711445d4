// Unmodified Hocuspocus providers on the rooms of y-websocket providers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { converged, Editor } from "../lib/editor.mjs";
import { Socket } from "../lib/hocuspocus.mjs";
import { Random } from "../lib/random.mjs";
import { runs } from "../lib/runs.mjs";
import { greenroom, Server } from "../lib/server.mjs";
import { Shim } from "../lib/shim.mjs";
import { windowPassed } from "../lib/window.mjs";

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.dispose());

for (const version of [3, 4]) {
  test(`provider ${version} and y-websocket edit one document`, async () => {
    const room = `mixed/${version}`;
    const socket = new Socket(server, version);
    const writer = await socket.open(room).synced();
    const editor = await new Editor(server, room).synced();
    writer.type("[hocus]");
    await editor.sees("[hocus]");
    editor.type("[yjs]");
    await writer.sees("[yjs]");
    await writer.saved();
    assert.equal(writer.text.toString(), editor.text.toString());
    assert.deepEqual(writer.scopes, ["read-write"]);
    // Presence goes both ways.
    writer.provider.setAwarenessField("user", "ada");
    editor.provider.awareness.setLocalStateField("user", "bob");
    const names = (awareness) => [...awareness.getStates().values()].map(({ user }) => user).sort();
    await writer.until(() => names(writer.provider.awareness).join() === "ada,bob", "bob is seen");
    const { awareness } = editor.provider;
    await new Promise((seen) => {
      const look = () => names(awareness).join() === "ada,bob" && seen();
      awareness.on("change", look);
      look();
    });
    writer.close();
    socket.close();
    editor.close();
  });
}

for (const version of [3, 4]) {
  test(`what provider ${version} calls saved survives kill -9, and a loss of power`, async () => {
    // Where it can be played, what was not synced is lost with the process.
    const shim = await Shim.build();
    const environment = shim === undefined ? undefined : (of) => shim.under(of);
    const own = await Server.start(environment);
    let lost = 0;
    let written = "";
    for (let run = 0; run < runs; run += 1) {
      const socket = new Socket(own, version);
      const writer = await socket.open("saved").synced();
      // The kill comes at the moment at which the provider calls the last of these saved.
      for (const part of ["a", "b", "c"]) {
        writer.type(part);
        written += part;
      }
      assert.ok(writer.provider.hasUnsyncedChanges);
      await writer.saved();
      await own.kill();
      writer.close();
      socket.close();
      await own.restart();
      const late = await new Editor(own, "saved").synced();
      if (late.firstSight !== written) lost += 1;
      written = late.firstSight;
      late.close();
    }
    await own.dispose();
    await shim?.dispose();
    const what = shim === undefined ? "kills; power loss is NOT PROVEN" : "power losses";
    console.log(`provider ${version}: ${lost} lost that were called saved, ${runs} ${what}`);
    assert.equal(lost, 0);
  });

  test(`provider ${version} comes back with what it wrote meanwhile, through cuts and kills`, async () => {
    const room = `cuts/${version}`;
    const random = new Random(version);
    const sockets = [new Socket(server, version), new Socket(server, version)];
    const writers = sockets.map((socket) => socket.open(room));
    for (const writer of writers) await writer.synced();
    const editor = await new Editor(server, room).synced();
    for (let round = 0; round < 10; round += 1) {
      for (const [at, writer] of writers.entries()) writer.type(`[${at}${round}]`);
      editor.type(`[y${round}]`);
      if (round % 5 === 4) {
        await server.kill();
        await server.restart();
      } else {
        sockets[random.below(2)].cut();
      }
    }
    const all = [...writers, editor];
    const equal = () => new Set(all.map(({ text }) => text.toString())).size === 1;
    const whole = () => equal() && editor.text.toString().length === 10 * 3 * 4;
    await converged(all, whole, 60_000, () => all.map(({ text }) => text.toString()).join("\n"));
    for (const writer of writers) await writer.saved();
    // What y-websocket wrote is on disk a window later, and nobody tells it.
    await windowPassed(server);
    await server.kill();
    await server.restart();
    const late = await new Editor(server, room).synced();
    assert.equal(late.firstSight, editor.text.toString());
    for (const each of [...writers, ...sockets, editor, late]) each.close();
  });

  test(`provider ${version} has many documents on one socket`, async () => {
    const socket = new Socket(server, version);
    const names = Array.from({ length: 20 }, (_, n) => `many/${version}/${n}`);
    const writers = names.map((name) => socket.open(name));
    for (const writer of writers) await writer.synced();
    for (const [at, writer] of writers.entries()) writer.type(`of ${at}`);
    for (const writer of writers) await writer.saved();
    const editors = await Promise.all(names.map((name) => new Editor(server, name).synced()));
    assert.deepEqual(
      editors.map(({ firstSight }) => firstSight),
      names.map((_, at) => `of ${at}`),
    );
    // One that leaves takes no other with it.
    writers[0].close();
    editors[1].type("!");
    await writers[1].sees("!");
    assert.deepEqual(socket.closes, []);
    for (const each of [...writers.slice(1), ...editors, socket]) each.close();
  });

  test(`provider ${version}: tokens`, async () => {
    const mint = async (...words) => {
      const minted = await greenroom("token", "new", "--data", server.data, "--user", "ada", ...words);
      assert.equal(minted.code, 0, minted.stderr);
      return minted.stdout.trim();
    };
    const room = `tokens/${version}`;
    const socket = new Socket(server, version);
    const [forged, reads, none] = ["forged", await mint("--room", "tokens/**", "--rights", "read"), null].map((token, at) =>
      socket.open(`${room}/${at}`, { token }),
    );
    await forged.until(() => forged.denied.length > 0, "it is denied");
    assert.match(forged.denied[0], /^unauthenticated: /);
    await reads.synced();
    await reads.saved();
    await none.synced();
    assert.deepEqual([reads.scopes, none.scopes], [["readonly"], ["read-write"]]);
    // What is refused is never called saved.
    reads.type("x");
    none.type("x");
    await none.saved();
    assert.ok(reads.provider.hasUnsyncedChanges);
    // One that ends soon is asked for, while it is connected.
    let calls = 0;
    const short = await mint("--room", "tokens/**", "--ttl", "4s");
    const long = await mint("--room", "tokens/**", "--ttl", "1h");
    const renewed = socket.open(`${room}/renewed`, { token: () => (calls++ === 0 ? short : long) });
    const ends = socket.open(`${room}/ends`, { token: short });
    await renewed.until(() => renewed.scopes.length === 2, "it has shown another token");
    await ends.until(() => ends.denied.length > 0 && ends.closes.length > 0, "its token has ended");
    assert.match(ends.denied[0], /^expired: /);
    renewed.type("still here");
    await renewed.saved();
    // With another token it goes on.
    ends.type("later");
    ends.provider.configuration.token = long;
    await ends.provider.sendToken();
    ends.provider.forceSync();
    await ends.saved();
    assert.deepEqual(socket.closes, []);
    for (const each of [forged, reads, none, renewed, ends, socket]) each.close();
  });

  test(`provider ${version} is told what is no edit`, async () => {
    const room = `told/${version}`;
    const socket = new Socket(server, version);
    const writer = await socket.open(room).synced();
    const sent = await fetch(server.url("http", `/api/rooms/${encodeURIComponent(room)}/events`), {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "published",
    });
    assert.deepEqual(await sent.json(), { sessions: 1 });
    await writer.until(() => writer.told.length > 0, "it is told");
    assert.deepEqual(writer.told, ["published"]);
    writer.close();
    socket.close();
  });
}

test("several providers of version 4 have one name on one socket", async () => {
  const socket = new Socket(server, 4);
  const options = { sessionAwareness: true };
  const [ada, bob] = [socket.open("aware", options), socket.open("aware", options)];
  await ada.synced();
  await bob.synced();
  ada.type("hello");
  await bob.sees("hello");
  await ada.saved();
  for (const each of [ada, bob, socket]) each.close();
});
