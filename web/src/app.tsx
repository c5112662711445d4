import { useRef } from "preact/hooks";
import { ConnectPanel } from "./components/connect-panel";
import { EditorCard } from "./components/editor-card";
import { Footer } from "./components/footer";
import { Header } from "./components/header";
import { InvitePanel } from "./components/invite-panel";
import { PeoplePanel } from "./components/people-panel";
import { RoomIntro } from "./components/room-intro";
import type { TextEditor } from "./editor/editor";
import { TEXT_ID } from "./editor/editor";
import type { Session } from "./session";

/** The demo page: one room with its text, its people and the ways in. */
export function App({ session }: { session: Session }) {
  const editor = useRef<TextEditor | null>(null);
  return (
    <>
      <a
        class="skip-link"
        href={`#${TEXT_ID}`}
        onClick={(event) => {
          event.preventDefault();
          editor.current?.focus();
        }}
      >
        Skip to the text
      </a>
      <Header />
      <main class="page">
        <RoomIntro session={session} />
        <div class="room">
          <EditorCard session={session} editorRef={editor} />
          <div class="rail">
            <PeoplePanel
              session={session}
              lineOf={(at) => editor.current?.lineOf(at) ?? 1}
              onReveal={(at) => editor.current?.reveal(at)}
            />
            <InvitePanel session={session} />
          </div>
        </div>
        <ConnectPanel session={session} />
      </main>
      <Footer />
    </>
  );
}
