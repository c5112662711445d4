import { useEffect, useState } from "preact/hooks";
import { whoIsHere } from "../presence/announcement";
import type { Peer } from "../presence/peers";
import type { Session } from "../session";
import { useStore } from "../use-store";
import { IdentityForm } from "./identity-form";

/** The longest list that is shown; of further sessions only the number is told. */
const PEERS_SHOWN_MAX = 40;

/** Changes are read out at most this often. */
const ANNOUNCE_MS = 5000;

interface Props {
  session: Session;
  /** The line of a position of the text, counted from 1. */
  lineOf: (position: number) => number;
  /** Shows a position of the text. */
  onReveal: (position: number) => void;
}

/** Who is in the room, with this window first. */
export function PeoplePanel({ session, lineOf, onReveal }: Props) {
  const peers = useStore(session.presence.peers);
  const identity = useStore(session.presence.identity);
  const { state } = useStore(session.connection.view);
  const alone = peers.length === 0;
  return (
    <section class="panel" aria-labelledby="people-title">
      <div class="panel-head">
        <h2 id="people-title">Here now</h2>
        <span class="count">{peers.length + 1}</span>
      </div>
      <ul class="people">
        <li class="person">
          <Badge name={identity.name} colour={identity.colour} />
          <span class="person-name">{identity.name}</span>
          <span class="tag">this window</span>
        </li>
        {peers.slice(0, PEERS_SHOWN_MAX).map((peer) => (
          <PeerRow key={peer.id} peer={peer} lineOf={lineOf} onReveal={onReveal} />
        ))}
      </ul>
      {peers.length > PEERS_SHOWN_MAX && (
        <p class="hint">and {peers.length - PEERS_SHOWN_MAX} more</p>
      )}
      {alone && (
        <p class="hint">
          {state === "connected"
            ? "Nobody else yet. Open a second window and watch it appear here."
            : "Others show up once this window is connected."}
        </p>
      )}
      <IdentityForm presence={session.presence} />
      <Announcer names={peers.map((peer) => peer.name)} connected={state === "connected"} />
    </section>
  );
}

function PeerRow({ peer, lineOf, onReveal }: { peer: Peer } & Omit<Props, "session">) {
  return (
    <li class="person" data-session={peer.id}>
      <Badge name={peer.name} colour={peer.colour} />
      <span class="person-name">{peer.name}</span>
      {peer.cursor !== null && (
        <WhereButton name={peer.name} at={peer.cursor.head} {...{ lineOf, onReveal }} />
      )}
    </li>
  );
}

interface WhereProps extends Omit<Props, "session"> {
  name: string;
  at: number;
}

function WhereButton({ name, at, lineOf, onReveal }: WhereProps) {
  return (
    <button type="button" class="tag tag-button" onClick={() => onReveal(at)}>
      <span class="visually-hidden">Show {name} on </span>
      line {lineOf(at)}
    </button>
  );
}

function Badge({ name, colour }: { name: string; colour: string }) {
  return (
    <span class="badge" style={{ backgroundColor: colour }} aria-hidden="true">
      {Array.from(name)[0]?.toUpperCase()}
    </span>
  );
}

/** Reads out who is here, at most once in `ANNOUNCE_MS`, and nothing while the list is out of date. */
function Announcer({ names, connected }: { names: string[]; connected: boolean }) {
  const [spoken, setSpoken] = useState("");
  const sentence = whoIsHere(names);
  useEffect(() => {
    if (!connected || sentence === spoken) return;
    const timer = setTimeout(() => setSpoken(sentence), spoken === "" ? 1000 : ANNOUNCE_MS);
    return () => clearTimeout(timer);
  }, [sentence, spoken, connected]);
  return (
    <p class="visually-hidden" aria-live="polite">
      {spoken}
    </p>
  );
}
