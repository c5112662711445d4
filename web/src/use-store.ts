import { useEffect, useState } from "preact/hooks";
import type { Store } from "./store";

/** Reads a store in a component and renders again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(store.get);
  useEffect(() => {
    const read = () => setValue(store.get);
    // The store may have changed between the first render and this effect.
    read();
    return store.subscribe(read);
  }, [store]);
  return value;
}
