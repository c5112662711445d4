import type { Close, ConnectionView } from "./connection";

/** After so many attempts in vain the page says that the server does not answer. */
const ATTEMPTS_BEFORE_DOUBT = 3;

/** The word and the sentence that describe a connection to people. */
export interface Wording {
  word: string;
  sentence: string;
}

/** Describes the state of the link. */
export function describeConnection(view: ConnectionView): Wording {
  switch (view.state) {
    case "connected":
      return { word: "Connected", sentence: "Everyone in the room sees changes as you type." };
    case "connecting":
      return { word: "Connecting", sentence: whileConnecting(view) };
    case "reconnecting":
      return { word: "Reconnecting", sentence: whileReconnecting(view) };
    case "disconnected":
      return { word: "Disconnected", sentence: "The server ended this session." };
  }
}

function whileConnecting(view: ConnectionView): string {
  return view.failedAttempts < ATTEMPTS_BEFORE_DOUBT
    ? "Opening the room."
    : "The server does not answer yet. Keep writing; this page keeps trying.";
}

function whileReconnecting(view: ConnectionView): string {
  // 1001 and 1012 are what a server sends that is about to go or to restart (RFC 6455, IANA registry).
  const restarting = view.lastClose?.code === 1001 || view.lastClose?.code === 1012;
  const cause = restarting ? "The server is restarting." : "Connection lost.";
  return `${cause} Keep writing; your changes merge when it is back.`;
}

/** What to tell people when the server ended a session for good. */
export interface Ending {
  title: string;
  /** What happened, and what to do about it. */
  sentence: string;
}

const ENDINGS: Record<number, Ending> = {
  4400: {
    title: "The server could not accept this session",
    sentence: "Something this page sent is not allowed here. Try again, or open another room.",
  },
  4401: {
    title: "This room asks who you are",
    sentence:
      "The access for this session is missing or has run out. Open the room again from a fresh link.",
  },
  4403: {
    title: "You may not enter this room",
    sentence: "Your access does not cover it. Ask whoever runs this server, or open another room.",
  },
  4404: {
    title: "This room is gone",
    sentence: "It was deleted. Copy what you need from the text below, then open another room.",
  },
  4409: {
    title: "This session no longer fits the room",
    sentence:
      "The room moved on in a way that this session cannot follow. Copy what you need, then reload the page.",
  },
};

const ANY_ENDING: Ending = {
  title: "The server ended this session",
  sentence:
    "Trying again may not help. Copy what you need from the text below, or open another room.",
};

/**
 * Explains a close for good: codes 4400 to 4499, which y-websocket never answers with a new attempt.
 * 4400, 4401, 4403, 4404 and 4409 have a meaning of their own on the Yjs door.
 */
export function describeEnding(close: Close): Ending {
  return ENDINGS[close.code] ?? ANY_ENDING;
}
