// Unmodified Hocuspocus providers on the rooms of y-websocket providers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Editor } from "../lib/editor.mjs";
import { Socket } from "../lib/hocuspocus.mjs";
import { Server } from "../lib/server.mjs";

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
