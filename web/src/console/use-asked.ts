import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Problem, told } from "./api";

/** What was asked of the server, and how that goes. */
export interface Asked<T> {
  /** The last answer; kept while a newer one is on its way. */
  value: T | null;
  /** Why there is no newer answer. */
  problem: Problem | null;
  again: () => void;
}

/**
 * Asks the server when the component appears, when `key` changes, and every `everyMs` while the
 * page is in view. An answer to an older question is dropped.
 */
export function useAsked<T>(
  key: string,
  question: (signal: AbortSignal) => Promise<T>,
  everyMs: number | null = null,
): Asked<T> {
  const [answer, setAnswer] = useState<{ key: string; value: T | null; problem: Problem | null }>({
    key,
    value: null,
    problem: null,
  });
  const latest = useRef(question);
  latest.current = question;
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      try {
        const value = await latest.current(stop.signal);
        if (stop.signal.aborted) return;
        setAnswer({ key, value, problem: null });
      } catch (error) {
        if (stop.signal.aborted) return;
        const problem = told(error);
        setAnswer((old) => ({ key, value: old.key === key ? old.value : null, problem }));
      }
      if (everyMs !== null) timer = setTimeout(next, everyMs);
    };
    const next = () => {
      // A page that nobody looks at asks again when somebody does.
      if (document.hidden) document.addEventListener("visibilitychange", run, { once: true });
      else void run();
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", run);
    };
  }, [key, everyMs, round]);

  return answer.key === key
    ? { value: answer.value, problem: answer.problem, again }
    : { value: null, problem: null, again };
}
