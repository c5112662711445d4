// How often the tests repeat what chance decides.

/** `GREENROOM_RUNS`: 100 is what the promises speak of; a quick look does with less. */
export const runs = Number(process.env.GREENROOM_RUNS ?? 10);

/** This share of the runs, but at least `least`. */
export function share(part, least = 1) {
  return Math.max(least, Math.round(runs * part));
}
