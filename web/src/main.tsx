import { render } from "preact";
import { App } from "./app";
import { BadRoomPage } from "./components/bad-room";
import { roomFromQuery } from "./room/name";
import { openSession } from "./session";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/panels.css";
import "./styles/editor.css";

const room = roomFromQuery(window.location.search);
const root = document.getElementById("app") as HTMLElement;

if (room.ok) {
  document.title = `${room.name} · Greenroom`;
  render(<App session={openSession(room.name)} />, root);
} else {
  render(<BadRoomPage name={room.name} reason={room.reason} />, root);
}
