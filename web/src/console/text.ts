const SI = ["B", "kB", "MB", "GB", "TB"] as const;

/** `1234567` as `1.2 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (value >= 1000 && step < SI.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${SI[step]}`;
}

/** A whole number with thin spaces between thousands. */
export function countText(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** How long ago `then` is: `now`, `12 s ago`, `3 h ago`, else the day. */
export function agoText(then: number, now: number): string {
  const s = Math.max(0, Math.round((now - then) / 1000));
  if (s < 2) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 30 * 86_400) return `${Math.floor(s / 86_400)} d ago`;
  return new Date(then).toISOString().slice(0, 10);
}

/** A length of time: `45 s`, `12 min`, `3 h 5 min`, `4 d 2 h`. */
export function spanText(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** A moment of today as `14:03:22`, in the time zone of who looks. */
export function clockText(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB", { hour12: false });
}

/** A moment in full. */
export function momentText(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC");
}

/** `1 room`, `2 rooms`. */
export function plural(count: number, word: string): string {
  return `${countText(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** A rate: `0 /s`, `0.4 /s`, `1.2k /s`. */
export function rateText(perS: number): string {
  if (perS >= 10_000) return `${(perS / 1000).toFixed(perS >= 100_000 ? 0 : 1)}k /s`;
  const digits = perS === 0 || perS >= 10 ? 0 : 1;
  return `${perS.toFixed(digits)} /s`;
}

/** A short time in milliseconds: `0.4 ms`, `12 ms`, `1.2 s`. */
export function msText(ms: number | null): string {
  if (ms === null) return "–";
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}
