import { createStore } from "../../store";
import { useStore } from "../../use-store";

const said = createStore("");

/** Tells a screen reader that something happened, when it has said all else. */
export function announce(words: string): void {
  // The same words twice are no change to a live region.
  said.set(said.get() === words ? `${words}\u00a0` : words);
}

/** The one live region for what is done; moving lists have a summary of their own. */
export function Announcer() {
  return (
    <p class="visually-hidden" role="status">
      {useStore(said)}
    </p>
  );
}
