import { Presence } from "./presence/presence";
import { RoomConnection } from "./room/connection";
import { pageOfRoom, yjsDoor } from "./room/name";

/** Everything the page knows of its stay in one room. */
export interface Session {
  room: string;
  /** The address of this page in this room, to share. */
  pageAddress: string;
  /** The address of the Yjs door, for other clients. */
  doorAddress: string;
  connection: RoomConnection;
  presence: Presence;
}

/** Enters a room and stays until the page goes. */
export function openSession(room: string): Session {
  const doorAddress = yjsDoor(document.baseURI);
  const connection = new RoomConnection(doorAddress, room);
  const presence = new Presence(connection.awareness, connection.text);

  window.addEventListener("pagehide", () => connection.announceLeaving());
  window.addEventListener("pageshow", (event) => {
    // The browser brought back a page it had set aside, which others have seen leave.
    if (event.persisted) presence.publish();
  });
  window.addEventListener("beforeunload", (event) => {
    if (connection.editsWait) event.preventDefault();
  });

  const pageAddress = pageOfRoom(window.location.href, room);
  return { room, pageAddress, doorAddress, connection, presence };
}
