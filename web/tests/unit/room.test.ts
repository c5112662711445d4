import { describe, expect, test } from "vitest";
import { pageOfRoom, roomFromQuery, roomPath, whyNotARoom, yjsDoor } from "../../src/room/name";
import { describeConnection, describeEnding } from "../../src/room/wording";

describe("room names", () => {
  test.each([
    ["", "welcome"],
    ["?room=", "welcome"],
    ["?room=%20%20", "welcome"],
    ["?room=notes", "notes"],
    ["?room=design/17", "design/17"],
    ["?room=caf%C3%A9", "café"],
  ])("the query %j names %j", (query, name) => {
    expect(roomFromQuery(query)).toEqual({ ok: true, name });
  });

  test.each([
    ["é".repeat(64), null],
    ["é".repeat(65), "at most 128 bytes"],
    ["a\tb", "control characters"],
    ["a/../b", "just “.” or “..”"],
    [".", "just “.” or “..”"],
    ["...", null],
  ])("%j is judged", (name, reason) => {
    if (reason === null) expect(whyNotARoom(name)).toBeNull();
    else expect(whyNotARoom(name)).toContain(reason);
  });

  test.each([
    ["design/17", "design/17"],
    ["50% of it?#1", "50%25%20of%20it%3F%231"],
    ["märz", "m%C3%A4rz"],
  ])("%j is the path %j", (name, path) => {
    expect(roomPath(name)).toBe(path);
    expect(decodeURIComponent(path)).toBe(name);
  });

  test.each([
    ["http://localhost:8080/?room=x#y", "ws://localhost:8080/yjs"],
    ["https://host.example/tools/green/", "wss://host.example/tools/green/yjs"],
  ])("the page %j finds its door", (page, door) => {
    expect(yjsDoor(page)).toBe(door);
  });

  test("a room's page address leads back to the room", () => {
    for (const name of ["welcome", "notes", "a b/c&d=e+f"]) {
      const address = new URL(pageOfRoom("https://host.example/p/?room=old&x=1#top", name));
      expect(roomFromQuery(address.search)).toEqual({ ok: true, name });
      expect(address.pathname).toBe("/p/");
    }
  });
});

describe("wording", () => {
  const view = { state: "reconnecting", failedAttempts: 1, lastClose: null } as const;

  test("a lost connection says that writing goes on", () => {
    expect(describeConnection(view).sentence).toMatch(/^Connection lost. Keep writing/);
  });

  test("a restart is told from a lost connection", () => {
    const restarting = { ...view, lastClose: { code: 1012, reason: "" } };
    expect(describeConnection(restarting).sentence).toMatch(/^The server is restarting./);
  });

  test("every permanent close has words", () => {
    for (let code = 4400; code < 4500; code += 1) {
      expect(describeEnding({ code, reason: "" }).sentence).not.toBe("");
    }
  });
});
