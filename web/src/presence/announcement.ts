/** Names that are read out; of more than these only the number is told. */
const NAMES_SPOKEN_MAX = 4;

/** One sentence on who is in the room, for screen readers. */
export function whoIsHere(others: readonly string[]): string {
  if (others.length === 0) return "You are alone in this room.";
  const spoken = others.slice(0, NAMES_SPOKEN_MAX);
  const rest = others.length - spoken.length;
  if (rest > 0) spoken.push(`${rest} more`);
  const last = spoken.pop() as string;
  const names = spoken.length === 0 ? last : `${spoken.join(", ")} and ${last}`;
  return `${others.length + 1} people here: you, ${names}.`;
}
