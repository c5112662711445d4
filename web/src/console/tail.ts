import { createStore, type Store } from "../store";
import { ask, Problem, told } from "./api";
import { roomPath } from "./model";

/** Something that happened in a room. */
export interface TailEvent {
  /** Counts up; the same for no two events of a page. */
  key: number;
  /** `record`, `joined`, `left`, `broadcast`, `missing`, `closed`. */
  event: string;
  data: Record<string, unknown>;
}

/** What is known of what happens in a room. */
export interface TailState {
  /** The last ones, oldest first, at most {@link EVENTS_MAX}. */
  events: readonly TailEvent[];
  /** How many there were before those. */
  dropped: number;
  is: "connecting" | "open" | "broken" | "ended";
  problem: Problem | null;
}

/** Events that a page keeps; older ones are dropped. */
export const EVENTS_MAX = 2000;

/** The longest event that is read; the server's are far shorter. */
const EVENT_CHARS_MAX = 8 << 20;

/** Waits before it connects again: doubles up to the last. */
const AGAIN_MS = [500, 1000, 2000, 5000, 10_000] as const;

/** Listens to what happens in a room. */
export interface Tail {
  readonly state: Store<TailState>;
  stop(): void;
}

/** Events of a stream of Server-Sent Events, as they come. */
export async function* eventsOf(
  chunks: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<{ event: string; id: string | null; data: string }> {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await chunks.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    let end = text.indexOf("\n\n");
    while (end !== -1) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const fields = new Map<string, string>();
      for (const line of block.split("\n")) {
        const [, name, said] = /^(\w+): ?(.*)$/.exec(line) ?? [];
        if (name !== undefined) fields.set(name, said ?? "");
      }
      const data = fields.get("data");
      if (data !== undefined) {
        yield { event: fields.get("event") ?? "message", id: fields.get("id") ?? null, data };
      }
      end = text.indexOf("\n\n");
    }
    if (text.length > EVENT_CHARS_MAX) {
      throw new Problem(0, "tail", "The stream of events cannot be read.");
    }
  }
}

/**
 * Opens the tail of a room from record `from` on. The stream is read by `fetch` and not by
 * `EventSource`, which says nothing of why it was refused.
 */
export function openTail(room: string, from: number): Tail {
  const state = createStore<TailState>({
    events: [],
    dropped: 0,
    is: "connecting",
    problem: null,
  });
  const stop = new AbortController();
  let lastId: string | null = null;
  let key = 0;

  const take = (event: string, data: string) => {
    const said = parsed(data);
    if (said === null) return;
    key += 1;
    const { events, dropped, ...rest } = state.get();
    const more = events.length >= EVENTS_MAX ? 1 : 0;
    state.set({
      ...rest,
      events: [...events.slice(more), { key, event, data: said }],
      dropped: dropped + more,
    });
  };

  /** Reads one stream to its end; says whether another one may be opened. */
  const listen = async (): Promise<boolean> => {
    const headers: Record<string, string> = lastId === null ? {} : { "last-event-id": lastId };
    const response = await ask(roomPath(room, `/tail?from=${from}`), {
      headers,
      signal: stop.signal,
    });
    const reader = response.body?.getReader();
    if (reader === undefined) return false;
    state.set({ ...state.get(), is: "open", problem: null });
    for await (const { event, id, data } of eventsOf(reader)) {
      if (id !== null) lastId = id;
      take(event, data);
      if (event === "closed") return parsed(data)?.reason === "slow";
    }
    return true;
  };

  const run = async () => {
    for (let failed = 0; !stop.signal.aborted; ) {
      try {
        const goesOn = await listen();
        failed = 0;
        if (!goesOn) {
          state.set({ ...state.get(), is: "ended" });
          return;
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        const problem = told(error);
        const isFinal = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
        state.set({ ...state.get(), is: isFinal ? "ended" : "broken", problem });
        if (isFinal) return;
      }
      await pause(AGAIN_MS[Math.min(failed, AGAIN_MS.length - 1)] ?? 0, stop.signal);
      failed += 1;
    }
  };
  void run();
  return { state, stop: () => stop.abort() };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function parsed(data: string): Record<string, unknown> | null {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch {
    return null;
  }
}
