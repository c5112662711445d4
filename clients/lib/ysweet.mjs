// People who edit with y-sweet: unmodified providers, let in by the unmodified SDK.

import { createYjsProvider } from "@y-sweet/client";
import WebSocket from "ws";
import * as Y from "yjs";
import { until } from "./wait.mjs";

// The client looks for a page around it.
globalThis.window ??= undefined;

/** Beyond this something is wrong, not slow. */
const PATIENCE_MS = 20_000;

/** One tab. */
export class Sweet {
  doc = new Y.Doc();
  text = this.doc.getText("text");
  provider;

  /** `token()` gives a client token, as an application's own server would. */
  constructor(id, token) {
    this.provider = createYjsProvider(this.doc, id, token, {
      WebSocketPolyfill: WebSocket,
      showDebuggerLink: false,
    });
  }

  /** Waits until `condition()` holds. */
  async until(condition, what, ms = PATIENCE_MS) {
    const events = ["local-changes", "connection-status", "synced"];
    const sources = events.map((event) => [this.provider, event]);
    await until(condition, [...sources, [this.doc, "update"]], ms, () => what);
    return this;
  }

  connected() {
    return this.until(() => this.provider.status === "connected", "it is connected");
  }

  /** Waits until the provider says that all it wrote is saved. */
  saved() {
    return this.until(() => !this.provider.hasLocalChanges, "all is saved");
  }

  sees(part) {
    return this.until(() => this.text.toString().includes(part), `the text has ${part}`);
  }

  type(text) {
    this.text.insert(this.text.length, text);
  }

  close() {
    this.provider.destroy();
    this.doc.destroy();
  }
}
