import { useState } from "preact/hooks";
import { ProblemNote } from "../parts/problem-note";
import type { SignIn, SignInState } from "../sign-in";

interface Props {
  signIn: SignIn;
  state: Extract<SignInState, { is: "out" }>;
}

/** What somebody sees who is not signed in: how to get in. */
export function SignInView({ signIn, state }: Props) {
  const [link, setLink] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    await signIn.begin(link);
    setBusy(false);
    setLink("");
  };
  return (
    <section class="sign-in panel" aria-labelledby="sign-in-title">
      <h1 id="sign-in-title">Sign in to the console</h1>
      {state.ended && (
        <p class="notice" role="alert">
          Your sign-in has ended. A new link brings you back to where you were.
        </p>
      )}
      <ProblemNote problem={state.problem} />
      <p>
        On the server’s machine, type this and open the link that it prints. A link is good once and
        for 30 minutes.
      </p>
      <pre class="command">
        <code>greenroom token admin</code>
      </pre>
      <form class="stack" onSubmit={submit}>
        <label for="link">Or paste the link here</label>
        <div class="field-row">
          <input
            class="field mono"
            id="link"
            type="password"
            autocomplete="off"
            spellcheck={false}
            required
            value={link}
            onInput={(event) => setLink(event.currentTarget.value)}
          />
          <button type="submit" class="button primary" disabled={busy}>
            Sign in
          </button>
        </div>
      </form>
    </section>
  );
}
