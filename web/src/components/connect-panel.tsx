import { type Door, doors } from "../doors";
import type { Session } from "../session";
import { CopyButton } from "./copy-button";

/** Code that brings other clients into this room. */
export function ConnectPanel({ session }: { session: Session }) {
  return (
    <section class="connect" aria-labelledby="connect-title">
      <div class="connect-head">
        <h2 id="connect-title">Connect what you have</h2>
        <p class="lead">
          Clients you already use work as they are. Point one at this server and it joins this room.
        </p>
      </div>
      {doors(session.doorAddress, session.room).map((door) => (
        <DoorCard key={door.client} door={door} />
      ))}
    </section>
  );
}

function DoorCard({ door }: { door: Door }) {
  return (
    <article class="door">
      <header class="door-head">
        <h3>{door.client}</h3>
        <p>{door.about}</p>
      </header>
      <Code code={door.install} label={`the install command for ${door.client}`} />
      <Code code={door.code} label={`the code for ${door.client}`} />
    </article>
  );
}

function Code({ code, label }: { code: string; label: string }) {
  return (
    <div class="code">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, and the keyboard must reach them */}
      <section class="code-text" tabIndex={0} aria-label={label}>
        <pre>
          <code>{code}</code>
        </pre>
      </section>
      <CopyButton text={code} of={label}>
        Copy
      </CopyButton>
    </div>
  );
}
