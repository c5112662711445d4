// People who edit: unmodified y-websocket providers with a document each.

import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { until } from "./wait.mjs";

// Each provider leaves a listener for the exit of the process: dozens of them are no leak here.
process.setMaxListeners(0);

/** Beyond this something is wrong, not slow. */
const PATIENCE_MS = 20_000;

/** One tab. */
export class Editor {
  doc = new Y.Doc();
  text = this.doc.getText("text");
  provider;
  /** What the provider said of its connection, in order: `connected`, `disconnected`. */
  statuses = [];
  /** The close codes that it was given. */
  closes = [];
  /** The text when the provider first called itself synced. */
  firstSight = undefined;

  constructor(server, room, options = {}) {
    this.provider = new WebsocketProvider(server.url("ws", "/yjs"), room, this.doc, {
      WebSocketPolyfill: WebSocket,
      // Providers in one process would otherwise reach one another past the server.
      disableBc: true,
      ...options,
    });
    this.provider.on("status", ({ status }) => {
      if (status !== "connecting") this.statuses.push(status);
    });
    this.provider.on("connection-close", (event) => this.closes.push(event?.code));
    this.provider.on("sync", (synced) => {
      if (synced) this.firstSight ??= this.text.toString();
    });
  }

  /** Waits until the provider calls itself synced. */
  async synced(ms = PATIENCE_MS) {
    const isSynced = () => this.provider.synced;
    await until(isSynced, [[this.provider, "sync"]], ms, () => "an editor is synced");
    return this;
  }

  /** Types at the end, or at `at`. */
  type(text, at = this.text.length) {
    this.text.insert(at, text);
  }

  /** Waits until the text has `part`. */
  async sees(part, ms = PATIENCE_MS) {
    const has = () => this.text.toString().includes(part);
    const what = () => `the text has ${JSON.stringify(part.slice(0, 40))}`;
    await until(has, [[this.doc, "update"]], ms, what);
  }

  /** Leaves, without waiting for anything. */
  close() {
    this.provider.destroy();
    this.provider.ws?.terminate();
    this.doc.destroy();
  }
}

/** Opens so many editors at once and waits until all are synced. */
export async function editors(count, server, room, options) {
  const all = Array.from({ length: count }, () => new Editor(server, room, options));
  await Promise.all(all.map((editor) => editor.synced()));
  return all;
}

/** Waits until all `of` meet `condition` together. */
export function converged(of, condition, ms, what) {
  return until(condition, of.map((editor) => [editor.doc, "update"]), ms, what);
}
