// Frames that no honest client sends.

import * as encoding from "lib0/encoding";
import * as syncProtocol from "y-protocols/sync";
import * as awarenessProtocol from "y-protocols/awareness";
import * as Y from "yjs";

/** What the server's description of its gate names: a poison pill and an allocation bomb. */
export const FIXTURES = {
  poison: "0101d0d83bd80b0204012500000000000000060136d8c7d10b03d88e",
  bomb: "98f8ff7f010500",
};

const CLAIM = 100_000_000;

function bytes(write) {
  const encoder = encoding.createEncoder();
  write(encoder);
  return encoding.toUint8Array(encoder);
}

const uint = encoding.writeVarUint;
const STEP1 = 0;
const STEP2 = 1;
const UPDATE = 2;

/** A sync frame with this body. */
export function sync(step, body) {
  return bytes((e) => {
    uint(e, 0);
    uint(e, step);
    encoding.writeVarUint8Array(e, body);
  });
}

/** An awareness frame with this body. */
export function awareness(body) {
  return bytes((e) => {
    uint(e, 1);
    encoding.writeVarUint8Array(e, body);
  });
}

/** The presence of a client. */
export function presence(client) {
  return awareness(bytes((e) => {
    for (const n of [1, client, 1]) uint(e, n);
    encoding.writeVarString(e, JSON.stringify({ user: { name: "somebody" } }));
  }));
}

const numbers = (...list) => bytes((e) => list.forEach((n) => uint(e, n)));

/** The fixtures, as an edit and as an answer. */
export function fixtureFrames() {
  return Object.entries(FIXTURES).flatMap(([name, hex]) => {
    const update = Uint8Array.from(Buffer.from(hex, "hex"));
    return [
      [`${name} as an update`, sync(UPDATE, update)],
      [`${name} as a sync step 2`, sync(STEP2, update)],
    ];
  });
}

/** Frames of a type that is none, or of another kind than they should be. */
export function wrongTypes() {
  return [
    ["nothing", new Uint8Array(0)],
    ["a text frame", "hello"],
    ["an unknown message", numbers(4, 0)],
    ["a message of another dialect", numbers(102, 0)],
    ["an unknown sync step", numbers(0, 3, 0)],
    ["an auth message", numbers(2, 0, 0)],
    ["a type beyond all numbers", Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 1)],
    ["a type without an end", Uint8Array.of(128, 128, 128)],
    ["a sync without a step", numbers(0)],
    ["an update that is a state vector", sync(UPDATE, Uint8Array.of(1, 1, 2))],
    ["an awareness state that is no JSON", awareness(bytes((e) => {
      uint(e, 1);
      uint(e, 77);
      uint(e, 1);
      encoding.writeVarString(e, "{");
    }))],
  ];
}

/** Frames that claim 100 MB, or 100 million of something, and bring a few bytes. */
export function claims() {
  const text = (kind) => numbers(1, 1, 9, 0, kind, 1, 1, 116);
  const claim = numbers(CLAIM);
  const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
  return [
    ["a message length", numbers(0, UPDATE, CLAIM, 1, 2, 3)],
    ["an awareness length", numbers(1, CLAIM, 1, 2, 3)],
    ["clients of a vector", sync(STEP1, claim)],
    ["clients of an update", sync(UPDATE, claim)],
    ["structs of a client", sync(UPDATE, numbers(1, CLAIM, 9, 0))],
    ["deletes of nobody", sync(UPDATE, numbers(0, CLAIM))],
    ["ranges of a client", sync(UPDATE, numbers(0, 1, 9, CLAIM))],
    ["the length of a deleted run", sync(UPDATE, numbers(1, 1, 9, 0, 0, CLAIM))],
    ["the length of deleted content", sync(UPDATE, join(text(1), claim, [0]))],
    ["the number of JSON values", sync(UPDATE, join(text(2), claim))],
    ["the length of binary content", sync(UPDATE, join(text(3), claim))],
    ["the length of a text", sync(UPDATE, join(text(4), claim, [97, 0]))],
    ["the length of an embed", sync(UPDATE, join(text(5), claim))],
    ["the length of a format's key", sync(UPDATE, join(text(6), claim))],
    ["the number of values", sync(UPDATE, join(text(8), claim))],
    ["the length of an array value", sync(UPDATE, join(text(8), [1, 117], claim))],
    ["the length of an object value", sync(UPDATE, join(text(8), [1, 118], claim))],
    ["the length of a subdocument's name", sync(UPDATE, join(text(9), claim))],
    ["awareness entries", awareness(claim)],
    ["the length of an awareness state", awareness(numbers(1, 9, 1, CLAIM))],
  ];
}

/** Frames of about 64 KiB that are as dear as that many bytes can be. */
export function dear() {
  const size = 64 << 10;
  const many = (count, of) => bytes((e) => {
    uint(e, count);
    for (let at = 0; at < count; at += 1) of(e, at);
  });
  const pairs = (e, at) => {
    uint(e, 100_000 + at);
    uint(e, 1);
  };
  const nested = new Uint8Array(size - 16).fill(117).map((byte, at) => (at % 2 === 0 ? byte : 1));
  return [
    ["a vector of many clients", sync(STEP1, many(size / 4 - 8, pairs))],
    ["many clients with one struct each", sync(UPDATE, bytes((e) => {
      const count = Math.floor(size / 8) - 8;
      uint(e, count);
      for (let at = 0; at < count; at += 1) for (const n of [1, 100_000 + at, 0, 0, 1]) uint(e, n);
      uint(e, 0);
    }))],
    ["many collected runs of one client", sync(UPDATE, bytes((e) => {
      const count = size / 2 - 16;
      for (const n of [1, count, 9, 0]) uint(e, n);
      for (let at = 0; at < count; at += 1) for (const n of [0, 1]) uint(e, n);
      uint(e, 0);
    }))],
    ["many deletes", sync(UPDATE, bytes((e) => {
      const count = size / 2 - 16;
      for (const n of [0, 1, 9, count]) uint(e, n);
      for (let at = 0; at < count; at += 1) for (const n of [1, 1]) uint(e, n);
    }))],
    ["deep values", sync(UPDATE, Uint8Array.from([1, 1, 9, 0, 8, 1, 1, 116, 1, ...nested]))],
    ["many awareness entries", awareness(many(Math.floor(size / 9), (e, at) => {
      uint(e, 100_000 + at);
      uint(e, 1);
      encoding.writeVarString(e, "null");
    }))],
    ["one large awareness state", awareness(bytes((e) => {
      for (const n of [1, 9, 1]) uint(e, n);
      encoding.writeVarString(e, JSON.stringify("x".repeat(size - 64)));
    }))],
    ["deep JSON", awareness(bytes((e) => {
      for (const n of [1, 9, 1]) uint(e, n);
      encoding.writeVarString(e, "[".repeat(size - 64));
    }))],
    ["many messages in one frame", bytes((e) => {
      for (let at = 0; at < size / 4; at += 1) for (const n of [0, 0, 1, 0]) uint(e, n);
    })],
  ];
}

/** What honest clients send: each kind of content, awareness, questions. */
export function corpus() {
  const frames = [];
  const doc = new Y.Doc();
  doc.clientID = 7;
  doc.on("update", (update) => frames.push(sync(UPDATE, update)));
  const text = doc.getText("corpus-text");
  text.insert(0, "hello world");
  text.delete(2, 4);
  text.format(0, 3, { bold: true });
  text.insertEmbed(1, { image: "a.png" });
  text.applyDelta([{ retain: 2 }, { insert: "mid", attributes: { link: null } }, { delete: 1 }]);
  const map = doc.getMap("corpus-map");
  map.set("n", 1.5);
  map.set("n", [1, { deep: [true, null, undefined, "s", new Uint8Array([1, 2, 3])] }]);
  map.set("bytes", new Uint8Array([1, 2, 3, 4]));
  map.set("type", new Y.Array());
  map.get("type").insert(0, ["a", 2 ** 40, -7, 1e300]);
  map.set("sub", new Y.Doc({ guid: "sub" }));
  map.delete("n");
  const array = doc.getArray("corpus-array");
  array.insert(0, [1, 2, 3, 4, 5]);
  array.delete(1, 2);
  const xml = doc.getXmlFragment("corpus-xml");
  const element = new Y.XmlElement("p");
  element.setAttribute("class", "a");
  xml.insert(0, [element]);
  element.insert(0, [new Y.XmlText("in it"), new Y.XmlHook("hook")]);
  xml.delete(0, 1);
  const other = new Y.Doc();
  other.clientID = 8;
  Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
  other.on("update", (update, origin) => origin ?? frames.push(sync(UPDATE, update)));
  other.getText("corpus-text").insert(3, "from the other");
  frames.push(sync(STEP2, Y.encodeStateAsUpdate(other)));
  frames.push(sync(STEP1, Y.encodeStateVector(other)));
  const encoder = encoding.createEncoder();
  uint(encoder, 0);
  syncProtocol.writeSyncStep1(encoder, doc);
  frames.push(encoding.toUint8Array(encoder));
  const aware = new awarenessProtocol.Awareness(doc);
  aware.setLocalState({ user: { name: "ada", color: "#fff" }, cursor: null });
  frames.push(awareness(awarenessProtocol.encodeAwarenessUpdate(aware, [doc.clientID])));
  aware.destroy();
  frames.push(Uint8Array.of(3));
  return frames;
}

/** Every proper beginning of a frame. */
export function truncations(frame) {
  return Array.from({ length: frame.length }, (_, length) => frame.slice(0, length));
}

/** A frame with a few random changes; mostly inside, so that they get past the first length. */
export function mutated(frames, random) {
  const frame = random.of(frames);
  const inner = frame[0] === 0 && frame.length > 4 && random.below(4) > 0;
  if (!inner) return changed(frame, random);
  // The body begins behind type, step and a length of one byte or two.
  const at = frame[2] < 128 ? 3 : 4;
  return sync(frame[1], changed(frame.slice(at), random));
}

const EDGES = [0, 1, 2, 127, 128, 129, 191, 254, 255];

function changed(frame, random) {
  const out = [...frame];
  for (let change = 1 + random.below(3); change > 0; change -= 1) {
    const at = random.below(out.length + 1);
    switch (random.below(6)) {
      case 0:
        if (at < out.length) out[at] ^= 1 << random.below(8);
        break;
      case 1:
        if (at < out.length) out[at] = random.of(EDGES);
        break;
      case 2:
        out.splice(at, 0, random.below(256));
        break;
      case 3:
        out.splice(at, 1 + random.below(4));
        break;
      case 4:
        out.splice(at, 0, ...out.slice(at, at + random.below(12)));
        break;
      default:
        out.splice(at, 0, 255, 255, 255, random.below(128));
    }
  }
  return Uint8Array.from(out);
}
