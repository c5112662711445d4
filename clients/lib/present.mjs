// Somebody in a room, in a process of its own: `node present.mjs URL ROOM NAME`. Says on stdout who
// comes and goes, one JSON per line.

import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const [url, room, name] = process.argv.slice(2);
const provider = new WebsocketProvider(url, room, new Y.Doc(), {
  WebSocketPolyfill: WebSocket,
  disableBc: true,
});
const { awareness } = provider;
const names = new Map();
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

awareness.on("change", ({ added, updated, removed }) => {
  for (const id of [...added, ...updated]) names.set(id, awareness.getStates().get(id)?.name);
  for (const id of added) say({ came: names.get(id) });
  for (const id of removed) say({ left: names.get(id) });
});
awareness.setLocalState({ name });
provider.on("status", ({ status }) => say({ status }));
