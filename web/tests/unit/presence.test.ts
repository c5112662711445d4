import { describe, expect, test } from "vitest";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { whoIsHere } from "../../src/presence/announcement";
import { COLOURS, legibleColour, relativeLuminance } from "../../src/presence/colours";
import { guardAwareness } from "../../src/presence/guarded-awareness";
import { inventName, parseIdentity } from "../../src/presence/identity";
import { CURSORS_MAX, NAME_LENGTH_MAX, readableName, readPeers } from "../../src/presence/peers";

/** A document with a text, and presence in which others can be put as their clients would send it. */
function room(content = "one\ntwo\nthree") {
  const doc = new Y.Doc();
  const text = doc.getText("text");
  text.insert(0, content);
  const awareness = new Awareness(doc);
  const put = (id: number, state: unknown) => awareness.states.set(id, state as never);
  const at = (index: number) =>
    Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, index));
  return { doc, text, awareness, put, at };
}

describe("what strangers send", () => {
  test.each([
    null,
    undefined,
    7,
    "name",
    [],
    { user: null },
    { user: { name: 5, color: 5 } },
    { user: { name: "\u202e\u0000 ", color: "red; position: fixed" } },
    { user: {}, cursor: { anchor: 1, head: "x" } },
    { user: {}, cursor: { anchor: {}, head: {} } },
    { cursor: { anchor: { type: { client: 9, clock: 9 } }, head: { item: "no" } } },
  ])("%j becomes a harmless session", (state) => {
    const { text, awareness, put, doc } = room();
    put(1, state ?? {});
    expect(readPeers(awareness, text)).toEqual([
      { id: 1, name: "unnamed", colour: expect.stringMatching(/^#[0-9a-f]{6}$/), cursor: null },
    ]);
    expect(guardAwareness(awareness, text).getStates().size).toBe(0);
    awareness.destroy();
    doc.destroy();
  });

  test("a cursor of another type of the document is none of this text", () => {
    const { doc, text, awareness, put } = room();
    const other = doc.getText("other");
    other.insert(0, "elsewhere");
    const place = Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(other, 2));
    put(1, { user: { name: "ada" }, cursor: { anchor: place, head: place } });
    expect(readPeers(awareness, text)[0]?.cursor).toBeNull();
    awareness.destroy();
  });

  test("a real cursor is found, and its look changes with the name", () => {
    const { text, awareness, put, at } = room();
    const look = () => guardAwareness(awareness, text).getStates().get(1)?.user.color as string;
    const cursor = { anchor: at(4), head: at(7) };
    put(1, { user: { name: "ada", color: "#378055" }, cursor });
    expect(readPeers(awareness, text)[0]?.cursor).toEqual({ anchor: 4, head: 7 });
    const before = look();
    put(1, { user: { name: "bea", color: "#378055" }, cursor });
    expect(look()).not.toBe(before);
    expect(look()).toMatch(/^#378055\/\*[\d.]+\*\/$/);
    awareness.destroy();
  });

  test("a crowd has a limited number of cursors, and the own one is not among them", () => {
    const { text, awareness, put, at } = room();
    awareness.setLocalState({ cursor: { anchor: at(0), head: at(0) } });
    for (let id = 1; id <= CURSORS_MAX + 10; id += 1) {
      put(id, { user: { name: `n${id}` }, cursor: { anchor: at(0), head: at(1) } });
    }
    const drawn = guardAwareness(awareness, text).getStates();
    expect(drawn.size).toBe(CURSORS_MAX);
    expect(drawn.has(awareness.clientID)).toBe(false);
    expect(readPeers(awareness, text)).toHaveLength(CURSORS_MAX + 10);
    awareness.destroy();
  });

  test("names are cut between characters, and direction marks go", () => {
    expect(readableName("🦦".repeat(50))).toBe("🦦".repeat(NAME_LENGTH_MAX));
    expect(readableName("\u202eevil\u2066")).toBe("evil");
  });
});

describe("colours", () => {
  test("every colour of ours reads in both themes", () => {
    for (const { hex } of COLOURS) {
      const luminance = relativeLuminance(hex);
      expect(1.05 / (luminance + 0.05), hex).toBeGreaterThanOrEqual(4.5);
      expect((luminance + 0.05) / (relativeLuminance("#181d1a") + 0.05), hex).toBeGreaterThan(3);
      expect(legibleColour(hex, 0)).toBe(hex);
    }
  });

  test("a colour that cannot be read is replaced, always by the same", () => {
    expect(legibleColour("#ffff00", 12)).toBe(legibleColour("#000000", 12));
  });
});

describe("identity", () => {
  test("an invented name is two words", () => {
    expect(inventName(() => 0)).toBe("amber-badger");
    expect(inventName(() => 0.9999)).toBe("witty-wren");
  });

  test.each([null, "", "{", "null", "7", '{"name":"x"}', '{"name":" ","colour":"#378055"}'])(
    "%j is no kept identity",
    (kept) => expect(parseIdentity(kept)).toBeNull(),
  );

  test("a kept identity is read back", () => {
    const identity = { name: "calm-otter", colour: "#378055" };
    expect(parseIdentity(JSON.stringify(identity))).toEqual(identity);
  });
});

test.each([
  [[], "You are alone in this room."],
  [["ada"], "2 people here: you, ada."],
  [["ada", "bob"], "3 people here: you, ada and bob."],
  [["a", "b", "c", "d", "e", "f"], "7 people here: you, a, b, c, d and 2 more."],
])("screen readers hear who is here: %j", (others, sentence) => {
  expect(whoIsHere(others)).toBe(sentence);
});
