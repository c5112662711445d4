import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type Problem, told } from "../api";
import { ProblemNote } from "./problem-note";

interface Props {
  title: string;
  children: ComponentChildren;
  /** What the button says that does it. */
  verb: string;
  /** Has to be typed first. */
  typed?: string;
  /** Does it. */
  act: () => Promise<void>;
  /** It is done, or shall not be. */
  close: () => void;
}

/** Asks once more before something that cannot be taken back. */
export function Confirm({ title, children, verb, typed, act, close }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await act();
      close();
    } catch (error) {
      setProblem(told(error));
      setBusy(false);
    }
  };
  return (
    <dialog class="dialog" ref={ref} aria-labelledby={`${id}-title`} onClose={close}>
      <form class="stack" onSubmit={submit}>
        <h2 id={`${id}-title`}>{title}</h2>
        {children}
        {typed !== undefined && (
          <div class="stack">
            <label for={`${id}-typed`}>
              Type <strong class="mono">{typed}</strong> to go on
            </label>
            <input
              class="field mono"
              id={`${id}-typed`}
              autocomplete="off"
              spellcheck={false}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </div>
        )}
        <ProblemNote problem={problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class="button danger"
            disabled={busy || (typed !== undefined && text !== typed)}
          >
            {verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
