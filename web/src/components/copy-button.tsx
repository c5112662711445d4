import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { copyText } from "../clipboard";

/** How long the answer to a copy stays on the button. */
const ANSWER_MS = 2500;

interface Props {
  /** What is copied. */
  text: string;
  /** Continues the button's words for those who do not see where it stands. */
  of: string;
  children: ComponentChildren;
}

/** A button that copies a text and says whether it worked. */
export function CopyButton({ text, of, children }: Props) {
  const [answer, setAnswer] = useState("");
  useEffect(() => {
    if (answer === "") return;
    const timer = setTimeout(() => setAnswer(""), ANSWER_MS);
    return () => clearTimeout(timer);
  }, [answer]);
  const copy = async () => {
    setAnswer((await copyText(text)) ? "Copied" : "Not allowed here");
  };
  return (
    <span class="copy">
      <button type="button" class="button" onClick={copy}>
        {children}
        <span class="visually-hidden"> {of}</span>
      </button>
      <span class="answer" role="status">
        {answer}
      </span>
    </span>
  );
}
