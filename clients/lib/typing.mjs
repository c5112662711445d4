// Editors that type all the time, each character a different one, so that the text tells which
// ones arrived and whether any did twice.

import { converged, editors } from "./editor.mjs";

/** CJK ideographs, then Hangul: no surrogates, which a random position could split. */
const ALPHABET = [
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
];

function character(at) {
  for (const [first, last] of ALPHABET) {
    if (at <= last - first) return String.fromCharCode(first + at);
    at -= last - first + 1;
  }
  throw new Error("more was typed than there are characters");
}

/** A room full of people who type. */
export class Crowd {
  editors;
  /** How many characters were typed so far. */
  typed = 0;
  #random;
  #timer;

  static async join(count, server, room, random) {
    const crowd = new Crowd();
    crowd.#random = random;
    crowd.editors = await editors(count, server, room);
    return crowd;
  }

  /** Somebody types one character somewhere. */
  type() {
    const editor = this.#random.of(this.editors);
    editor.type(character(this.typed), this.#random.below(editor.text.length + 1));
    this.typed += 1;
  }

  /** Goes on typing, one character each `ms`. */
  start(ms) {
    this.#timer = setInterval(() => this.type(), ms);
  }

  pause() {
    clearInterval(this.#timer);
  }

  /** How many of the typed characters `text` lacks, and how many stand there twice. */
  faults(text) {
    const found = new Set(text);
    const lost = Array.from({ length: this.typed }, (_, at) => character(at)).filter(
      (c) => !found.has(c),
    ).length;
    return { lost, doubled: text.length - found.size };
  }

  /**
   * Which of the typed characters `text` has, in the order of typing: all before `first`, none after
   * `last`; and how many stand there twice.
   */
  span(text) {
    const found = new Set(text);
    const has = Array.from({ length: this.typed }, (_, at) => found.has(character(at)));
    const gap = has.indexOf(false);
    return {
      first: gap === -1 ? this.typed : gap,
      last: has.lastIndexOf(true),
      doubled: text.length - found.size,
    };
  }

  /** Waits until everybody has the same text with all that was typed, each character once. */
  async settled(ms) {
    const whole = () => {
      const texts = this.editors.map((editor) => editor.text.toString());
      return texts.every((text) => text.length === this.typed && text === texts[0]);
    };
    const found = () =>
      this.editors.map((editor) => JSON.stringify(this.faults(editor.text.toString()))).join(" ");
    await converged(this.editors, whole, ms, () => `all are equal and whole: ${found()}`);
  }

  close() {
    this.pause();
    for (const editor of this.editors) editor.close();
  }
}
