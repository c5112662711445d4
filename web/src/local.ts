/**
 * Reads a value kept in this browser.
 *
 * Browsers may forbid storage and then throw on the mere access; the page works without it, so a
 * missing and an unreadable value are the same.
 */
export function readKept(storage: () => Storage, key: string): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

/** Keeps a value in this browser, or removes it with `null`; does nothing where storage is forbidden. */
export function keep(storage: () => Storage, key: string, value: string | null): void {
  try {
    if (value === null) storage().removeItem(key);
    else storage().setItem(key, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}
