// The commit window: what a crash may cost if every holder is gone too.

import { pass } from "./wait.mjs";

/** What a sync of a busy disk may take on top of the window. */
const SYNC_MS = 200;

/**
 * Lets the window that the server publishes pass, and the sync after it. No synchronisation: the
 * promise is about an update that is older than this.
 */
export async function windowPassed(server) {
  const answer = await fetch(server.url("http", "/readyz"));
  const { commit_window_ms: window } = await answer.json();
  await pass(window + SYNC_MS);
}
