import type { Session } from "../session";
import { CopyButton } from "./copy-button";
import { LinkIcon, WindowsIcon } from "./icons";

/** The room's name, what it is for, and the two things to do first. */
export function RoomIntro({ session }: { session: Session }) {
  return (
    <div class="intro">
      <div class="intro-words">
        <h1>
          <span class="overline">Room</span>
          <span class="room-name">{session.room}</span>
        </h1>
        <p class="lead">
          Write below and everyone in the room sees it as you type. Two windows are enough to try.
        </p>
      </div>
      <div class="actions">
        <a
          class="button primary"
          href={session.pageAddress}
          target="_blank"
          rel="noopener"
          onClick={openBeside}
        >
          <WindowsIcon />
          Open a second window
        </a>
        <CopyButton text={session.pageAddress} of="to this room">
          <LinkIcon />
          Copy link
        </CopyButton>
      </div>
    </div>
  );
}

/** Opens the link as a window of its own where screens are large; elsewhere the link opens a tab. */
function openBeside(event: MouseEvent & { currentTarget: HTMLAnchorElement }): void {
  const roomy = window.matchMedia("(min-width: 60rem) and (pointer: fine)").matches;
  if (!roomy || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const width = Math.round(window.screen.availWidth / 2);
  const height = Math.min(window.screen.availHeight, 900);
  // Without an opener the new window starts with a storage of its own, hence as another person.
  window.open(
    event.currentTarget.href,
    "_blank",
    `noopener,popup,width=${width},height=${height},left=${width},top=0`,
  );
}
