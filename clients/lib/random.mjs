// Random choices that a printed seed repeats.

/** The seed of this run: `GREENROOM_SEED`, or a new one. */
export const seed = Number(process.env.GREENROOM_SEED ?? Math.floor(Math.random() * 2 ** 32));

/** A generator (mulberry32): numbers from 0 up to, without, `below`. */
export class Random {
  #state;

  constructor(stream = 0) {
    this.#state = (seed ^ Math.imul(stream + 1, 0x9e3779b1)) >>> 0;
  }

  below(below) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) % below;
  }

  of(list) {
    return list[this.below(list.length)];
  }
}
