import { defaultKeymap } from "@codemirror/commands";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import { UndoManager } from "yjs";
import { guardAwareness } from "../presence/guarded-awareness";
import type { RoomConnection } from "../room/connection";

/** The id of the element that holds the text, which the skip link names. */
export const TEXT_ID = "shared-text";

/** The editor of a room's text. */
export interface TextEditor {
  /** Lets people write, or only read and copy. */
  setWritable(writable: boolean): void;
  /** Puts the keyboard into the text. */
  focus(): void;
  /** The line of a position of the text, counted from 1. */
  lineOf(position: number): number;
  /** Brings a position of the text into view. */
  reveal(position: number): void;
  /** Takes the editor off the page. */
  destroy(): void;
}

/** Shows the text of `connection` in `parent`, with the cursors of the others; undo is one's own. */
export function createEditor(
  parent: HTMLElement,
  connection: RoomConnection,
  roomName: string,
): TextEditor {
  const writable = new Compartment();
  const undoManager = new UndoManager(connection.text);
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: connection.text.toString(),
      extensions: [
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          id: TEXT_ID,
          "aria-label": `Text of the room ${roomName}`,
          spellcheck: "true",
          autocapitalize: "sentences",
        }),
        placeholder("Write something…"),
        writable.of([]),
        yCollab(connection.text, guardAwareness(connection.awareness, connection.text), {
          undoManager,
        }),
      ],
    }),
  });
  // Positions of others may be a moment older than the text on the page.
  const within = (position: number) => Math.min(position, view.state.doc.length);
  return {
    setWritable(value) {
      view.dispatch({ effects: writable.reconfigure(value ? [] : EditorState.readOnly.of(true)) });
    },
    focus: () => view.focus(),
    lineOf: (position) => view.state.doc.lineAt(within(position)).number,
    reveal(position) {
      const effects = EditorView.scrollIntoView(within(position), { y: "center" });
      view.dispatch({ effects });
    },
    destroy() {
      view.destroy();
      undoManager.destroy();
    },
  };
}
