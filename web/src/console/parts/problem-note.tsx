import type { Problem } from "../api";
import { Words } from "./words";

interface Props {
  problem: Problem | null;
  /** Asks once more, where that may help. */
  again?: () => void;
}

/** Says what went wrong and what to do about it. */
export function ProblemNote({ problem, again }: Props) {
  if (problem === null) return null;
  return (
    <div class="notice bad" role="alert">
      <p>
        <strong>
          <Words text={problem.message} />
        </strong>
      </p>
      {problem.hint !== null && (
        <p class="hint">
          <Words text={problem.hint} />
        </p>
      )}
      {again !== undefined && (
        <button type="button" class="button small" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
