/** The room of a page address that names none. */
export const DEFAULT_ROOM = "welcome";

/** The longest room name in bytes of UTF-8; the server refuses longer ones. */
export const ROOM_NAME_BYTES_MAX = 128;

/** A room name as read from a page address, or why it cannot be one. */
export type RoomName = { ok: true; name: string } | { ok: false; name: string; reason: string };

/** Reads the room from the query of a page address, such as `?room=notes`. */
export function roomFromQuery(query: string): RoomName {
  const name = new URLSearchParams(query).get("room")?.trim() || DEFAULT_ROOM;
  const reason = whyNotARoom(name);
  return reason === null ? { ok: true, name } : { ok: false, name, reason };
}

/** Says why `name` cannot be a room, in a sentence for people, or `null` when it can. */
export function whyNotARoom(name: string): string | null {
  if (new TextEncoder().encode(name).length > ROOM_NAME_BYTES_MAX) {
    return `A room's name has at most ${ROOM_NAME_BYTES_MAX} bytes, and this one is longer.`;
  }
  if (/\p{Cc}/u.test(name)) return "A room's name has no control characters.";
  // A browser resolves such parts like folders, escaped or not, so the request would miss the room.
  if (name.split("/").some((part) => part === "." || part === "..")) {
    return "A room's name has no part that is just “.” or “..”.";
  }
  return null;
}

/**
 * The room's name as a URL path, which y-websocket appends to the server address as it stands.
 *
 * Slashes stay, since the server takes the whole rest of the path as the room.
 */
export function roomPath(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}

/** The address of the Yjs door beside this page: `https://host/prefix/` gives `wss://host/prefix/yjs`. */
export function yjsDoor(pageAddress: string): string {
  const door = new URL("yjs", pageAddress);
  door.protocol = door.protocol === "https:" ? "wss:" : "ws:";
  door.search = "";
  door.hash = "";
  return door.href;
}

/** The address of this page in another room, to share or to open. */
export function pageOfRoom(pageAddress: string, name: string): string {
  const page = new URL(pageAddress);
  page.hash = "";
  page.search = name === DEFAULT_ROOM ? "" : `?room=${roomPath(name)}`;
  return page.href;
}
