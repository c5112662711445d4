import type { Close } from "../room/connection";
import { describeEnding } from "../room/wording";

interface Props {
  close: Close;
  onRetry: () => void;
}

/** Says why the server ended the session for good, and what can be done. */
export function EndingNotice({ close, onRetry }: Props) {
  const { title, sentence } = describeEnding(close);
  return (
    <div class="notice" role="alert">
      <h2>{title}</h2>
      <p>{sentence}</p>
      <p class="notice-server">
        The server said: <q>{close.reason || "no reason given"}</q> (code {close.code})
      </p>
      <div class="actions">
        <button type="button" class="button primary" onClick={onRetry}>
          Try again
        </button>
        <a class="button" href="./">
          Go to the welcome room
        </a>
      </div>
    </div>
  );
}
