/** A room in a list. */
export interface RoomSummary {
  id: string;
  kind: string;
  loaded: boolean;
  stored: boolean;
  sessions: number;
  seq: number;
  created_ms: number | null;
  changed_ms: number | null;
  next_wake_ms: number | null;
  metadata: Record<string, unknown>;
}

/** A page of rooms; `next` is the `after` of the page behind it. */
export interface RoomPage {
  rooms: RoomSummary[];
  next: string | null;
}

/** Somebody in a room. */
export interface SessionShown {
  id: number;
  user: string | null;
  protocol: string;
  document: string | null;
  tag: string | null;
  rights: string[];
  joined_ms: number;
  outbox_bytes: number;
}

/** A document or the state of a service. */
export interface PartShown {
  part: string;
  name: string;
  bytes: number;
  updates: number;
  parked: number;
}

/** A room with all that is known of it. */
export type RoomShown = Omit<RoomSummary, "sessions"> & {
  state: "live" | "unavailable";
  durable_seq: number;
  bytes: number;
  sessions: SessionShown[];
  parts: PartShown[];
};

/** What a session shows of itself. */
export interface Present {
  session: number;
  user: string | null;
  document: string;
  client: number;
  state: unknown;
}

/** The address of a room's interface. */
export function roomPath(room: string, rest = ""): string {
  return `./api/rooms/${encodeURIComponent(room)}${rest}`;
}

/** A figure with a name. */
export interface Named {
  name: string;
  value: number;
}

/** Something that an operator should look at. */
export interface Attention {
  level: "error" | "warning";
  code: string;
  title: string;
  detail: string;
  hint: string | null;
  room: string | null;
}

/** What happened in one look of ten seconds. */
export interface Point {
  at_ms: number;
  received_per_s: number;
  sent_per_s: number;
  connections: number;
}

interface Latency {
  p50_ms: number | null;
  p99_ms: number | null;
}

/** How the server is doing. */
export interface Overview {
  version: string;
  mode: "dev" | "serve";
  uptime_s: number;
  ready: boolean;
  attention: Attention[];
  window_s: number;
  connections: Named[];
  sessions: number;
  rooms_stored: number;
  rooms_loaded: number;
  busiest: Named[];
  ack: Latency;
  lag: Latency;
  store: {
    level: string;
    commit_window_ms: number;
    bytes: Named[];
    free_bytes: number | null;
    free_min_bytes: number | null;
  };
  process: { cpu: number; resident_bytes: number; open_fds: number; max_fds: number };
  series: Point[];
}
