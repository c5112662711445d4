import { TEXT_NAME } from "./room/connection";
import { roomPath } from "./room/name";

/** A client that people already use, with the code that brings it into a room of this server. */
export interface Door {
  /** The client's name, as its package is called. */
  client: string;
  /** One line on who it is for. */
  about: string;
  install: string;
  code: string;
}

/** The doors of this server, with its real address and the room filled in. */
export function doors(yjsAddress: string, room: string): Door[] {
  const address = JSON.stringify(yjsAddress);
  const name = JSON.stringify(roomPath(room));
  return [
    {
      client: "y-websocket",
      about: "For everything that speaks Yjs: CodeMirror, ProseMirror, Tiptap, Monaco, your own.",
      install: "npm install yjs y-websocket",
      code: `import * as Y from "yjs"
import { WebsocketProvider } from "y-websocket"

const doc = new Y.Doc()
const provider = new WebsocketProvider(${address}, ${name}, doc)
provider.awareness.setLocalStateField("user", { name: "my-code" })

// The text on this page, live
const text = doc.getText("${TEXT_NAME}")
text.observe(() => console.log(text.toString()))`,
    },
  ];
}
