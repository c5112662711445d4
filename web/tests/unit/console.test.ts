import { describe, expect, it } from "vitest";
import { eventsOf } from "../../src/console/tail";
import { agoText, bytesText, countText, msText, rateText, spanText } from "../../src/console/text";

/** A stream that comes in these pieces. */
function pieces(...texts: string[]): ReadableStreamDefaultReader<Uint8Array> {
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const text of texts) controller.enqueue(encoder.encode(text));
      controller.close();
    },
  });
  return stream.getReader();
}

async function read(...texts: string[]) {
  const all = [];
  for await (const one of eventsOf(pieces(...texts))) all.push(one);
  return all;
}

describe("the tail's stream", () => {
  it("gives events whole, however the stream is cut", async () => {
    const text =
      ': greenroom\n\nevent: record\nid: 7\ndata: {"a":1}\n\nevent: left\ndata: {}\n\n:\n\n';
    const expected = [
      { event: "record", id: "7", data: '{"a":1}' },
      { event: "left", id: null, data: "{}" },
    ];
    expect(await read(text)).toEqual(expected);
    expect(await read(...text)).toEqual(expected);
  });

  it("drops an event that was cut off", async () => {
    expect(await read("event: record\ndata: {}")).toEqual([]);
  });

  it("does not read a line without an end", async () => {
    await expect(read("data: ", "x".repeat(9 << 20))).rejects.toThrow("cannot be read");
  });
});

describe("figures as text", () => {
  it("are short and have units", () => {
    expect([0, 999, 1000, 1_234_567, 5e11].map(bytesText)).toEqual([
      "0 B",
      "999 B",
      "1.0 kB",
      "1.2 MB",
      "500 GB",
    ]);
    expect([0, 999, 184_220, 1e6].map(countText)).toEqual([
      "0",
      "999",
      "184\u202f220",
      "1\u202f000\u202f000",
    ]);
    expect([0, 0.44, 12.3, 12_345].map(rateText)).toEqual(["0 /s", "0.4 /s", "12 /s", "12.3k /s"]);
    expect([null, 0.44, 12.3, 1234].map(msText)).toEqual(["–", "0.4 ms", "12 ms", "1.2 s"]);
    expect([5, 61, 3700, 90_000].map(spanText)).toEqual(["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
  });

  it("say how long ago something was", () => {
    const now = Date.UTC(2026, 0, 31);
    const ago = (s: number) => agoText(now - s * 1000, now);
    expect([-5, 1, 30, 90, 7200, 172_800, 40 * 86_400].map(ago)).toEqual([
      "now",
      "now",
      "30 s ago",
      "1 min ago",
      "2 h ago",
      "2 d ago",
      "2025-12-22",
    ]);
  });
});
