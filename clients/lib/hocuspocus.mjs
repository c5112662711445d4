// People who edit with Hocuspocus: unmodified providers of version 3 and 4, many on one socket.

import { HocuspocusProvider as Provider4, HocuspocusProviderWebsocket as Socket4 } from "@hocuspocus/provider";
import {
  HocuspocusProvider as Provider3,
  HocuspocusProviderWebsocket as Socket3,
} from "hocuspocus-provider-3";
import WebSocket from "ws";
import * as Y from "yjs";
import { until } from "./wait.mjs";

/** Beyond this something is wrong, not slow. */
const PATIENCE_MS = 20_000;

const VERSIONS = {
  3: { Provider: Provider3, Socket: Socket3 },
  4: { Provider: Provider4, Socket: Socket4 },
};

/** A socket of so many documents. */
export class Socket {
  provider;
  version;
  /** The close codes that it was given. */
  closes = [];

  constructor(server, version, options = {}) {
    this.version = version;
    this.provider = new VERSIONS[version].Socket({
      url: server.url("ws", "/hocuspocus"),
      WebSocketPolyfill: WebSocket,
      delay: 100,
      minDelay: 100,
      maxDelay: 500,
      ...options,
    });
    this.provider.on("close", ({ event }) => this.closes.push(event.code));
  }

  /** Opens a document. */
  open(name, options = {}) {
    return new Writer(this, name, options);
  }

  /** Cuts the connection, as a network would; the provider comes back. */
  cut() {
    this.provider.webSocket?.terminate();
  }

  close() {
    this.provider.destroy();
  }
}

/** One document of a socket. */
export class Writer {
  doc = new Y.Doc();
  text = this.doc.getText("text");
  provider;
  /** What the provider said of its rights, in order: `read-write`, `readonly`. */
  scopes = [];
  /** Why it was not let in. */
  denied = [];
  /** What the server told it. */
  told = [];
  /** Why the document was closed. */
  closes = [];

  constructor(socket, name, options) {
    this.provider = new VERSIONS[socket.version].Provider({
      websocketProvider: socket.provider,
      name,
      document: this.doc,
      ...options,
    });
    this.provider.on("authenticated", ({ scope }) => {
      this.scopes.push(scope ?? this.provider.authorizedScope);
    });
    this.provider.on("authenticationFailed", ({ reason }) => this.denied.push(reason));
    this.provider.on("stateless", ({ payload }) => this.told.push(payload));
    this.provider.on("close", ({ event }) => this.closes.push(event.reason));
    this.provider.attach();
  }

  /** Waits until `condition()` holds, asking after each event of the provider. */
  async until(condition, what, ms = PATIENCE_MS) {
    const events = [
      "authenticated",
      "awarenessUpdate",
      "authenticationFailed",
      "close",
      "message",
      "stateless",
      "synced",
      "unsyncedChanges",
    ];
    const sources = events.map((event) => [this.provider, event]);
    await until(condition, [...sources, [this.doc, "update"]], ms, () => what);
    return this;
  }

  synced() {
    return this.until(() => this.provider.synced, "a writer is synced");
  }

  /** Waits until the provider says that all it wrote is saved. */
  saved() {
    return this.until(() => !this.provider.hasUnsyncedChanges, "all is saved");
  }

  sees(part) {
    return this.until(() => this.text.toString().includes(part), `the text has ${part}`);
  }

  /** Types at the end. */
  type(text) {
    this.text.insert(this.text.length, text);
  }

  close() {
    this.provider.destroy();
    this.doc.destroy();
  }
}
