import type { ConnectionView } from "../room/connection";
import { describeConnection } from "../room/wording";
import type { Store } from "../store";
import { useStore } from "../use-store";

/** How the connection is: a sign whose shape and colour differ by state, a word, and a sentence. */
export function ConnectionStrip({ view }: { view: Store<ConnectionView> }) {
  const now = useStore(view);
  const { word, sentence } = describeConnection(now);
  return (
    <div class="strip" data-state={now.state} role="status">
      <span class="sign" aria-hidden="true" />
      <strong class="strip-word">{word}</strong>
      <span class="strip-sentence">{sentence}</span>
    </div>
  );
}
