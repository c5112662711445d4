import { keep, readKept } from "../local";
import { COLOURS, type Colour } from "./colours";
import { NAME_LENGTH_MAX, readableName } from "./peers";

/** How this session shows itself to the others. */
export interface Identity {
  name: string;
  colour: string;
}

// Each window is a session of its own, so the identity is kept per window: a reload finds it again,
// a second window gets another one.
const KEY = "greenroom.identity";
const storage = () => window.sessionStorage;

const MOODS =
  "amber brisk calm clever cosy deft eager early fair gentle glad golden hazel kind lively lucid mellow merry misty nimble patient plucky quiet ready silver steady sunny swift tidy warm wise witty";
const ANIMALS =
  "badger beaver bittern crane curlew dormouse egret falcon finch fox gecko hare heron ibis jay kestrel koala lark lemur lynx marten newt otter owl panda plover puffin quail robin seal stoat swan tern vole wombat wren";

/** A name that is easy to remember and to say, such as `calm-otter`. `random` gives 0 up to 1. */
export function inventName(random: () => number = Math.random): string {
  return `${pick(MOODS.split(" "), random)}-${pick(ANIMALS.split(" "), random)}`;
}

/** The identity kept for this window, or a new one, kept from now on. */
export function loadIdentity(): Identity {
  const kept = parseIdentity(readKept(storage, KEY));
  if (kept !== null) return kept;
  const colour = pick<Colour>(COLOURS, Math.random).hex;
  const identity = { name: inventName(), colour };
  saveIdentity(identity);
  return identity;
}

/** Keeps the identity for as long as this window lives. */
export function saveIdentity(identity: Identity): void {
  keep(storage, KEY, JSON.stringify(identity));
}

/** Reads a kept identity; anything that is not one gives `null`. */
export function parseIdentity(text: string | null): Identity | null {
  if (text === null) return null;
  try {
    const { name, colour } = JSON.parse(text) as Partial<Identity>;
    const known = COLOURS.some(({ hex }) => hex === colour);
    if (typeof name !== "string" || name.length > NAME_LENGTH_MAX || !known) return null;
    const readable = readableName(name);
    return readable === null ? null : { name: readable, colour: colour as string };
  } catch {
    return null;
  }
}

function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)] as T;
}
