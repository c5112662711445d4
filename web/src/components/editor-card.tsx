import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { createEditor, type TextEditor } from "../editor/editor";
import type { Session } from "../session";
import { useStore } from "../use-store";
import { ConnectionStrip } from "./connection-strip";
import { EndingNotice } from "./ending-notice";

interface Props {
  session: Session;
  /** Receives the editor while it is on the page. */
  editorRef: RefObject<TextEditor | null>;
}

/** The sheet everyone writes on, under a line that says how the connection is. */
export function EditorCard({ session, editorRef }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const { state, lastClose } = useStore(session.connection.view);
  const ended = state === "disconnected";

  useEffect(() => {
    const editor = createEditor(host.current as HTMLElement, session.connection, session.room);
    editorRef.current = editor;
    return () => {
      editorRef.current = null;
      editor.destroy();
    };
  }, [session, editorRef]);

  // What is written after the end would reach nobody.
  useEffect(() => editorRef.current?.setWritable(!ended), [ended, editorRef]);

  return (
    <section class="sheet" data-ended={ended} aria-label="Shared text">
      <ConnectionStrip view={session.connection.view} />
      {ended && lastClose !== null && (
        <EndingNotice close={lastClose} onRetry={() => session.connection.retry()} />
      )}
      <div class="text" ref={host} />
    </section>
  );
}
