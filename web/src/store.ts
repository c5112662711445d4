/** A value that changes over time, read by components and tests alike. */
export interface Store<T> {
  /** The value now. The same object is returned until it changes. */
  get(): T;
  /** Calls `listener` after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void;
}

/** A store that its owner can write. */
export interface WritableStore<T> extends Store<T> {
  /** Replaces the value; listeners hear of it unless it is the same value. */
  set(value: T): void;
}

/** Creates a store that holds `initial`. */
export function createStore<T>(initial: T): WritableStore<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
