// Who came in when, by the server's log: a busy client sees it late.

/** Variables for a server that logs who comes in. */
export const LOGS_ARRIVALS = { GREENROOM_LOG: "info,greenroom_server::lifecycle=debug" };

/** How many came in by these lines of the log, and the most within any second. */
export function arrivals(lines) {
  const times = lines
    .filter((line) => line.includes('"joined"'))
    .map((line) => Date.parse(JSON.parse(line).timestamp))
    .sort((one, other) => one - other);
  let most = 0;
  let from = 0;
  for (const [to, time] of times.entries()) {
    while (time - times[from] >= 1_000) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return { most, all: times.length };
}
