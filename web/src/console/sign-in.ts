import { createStore, type Store } from "../store";
import { ask, askJson, type Problem, told, whenSignedOut } from "./api";

/** Who may look. */
export type SignInState =
  | { is: "asking" }
  | { is: "out"; problem: Problem | null; ended: boolean }
  /** `user` is null where no sign-in is needed. */
  | { is: "in"; user: string | null };

interface Answer {
  signed_in: boolean;
  needed: boolean;
  user: string | null;
}

/** The sign-in of this page. */
export interface SignIn {
  readonly state: Store<SignInState>;
  /** Signs in with a link, or with what stands behind `#token=` in one. */
  begin(link: string): Promise<void>;
  end(): Promise<void>;
}

const PLACE = "./api/sign-in";

/** Finds out who may look; a link's token in the address is used up and removed from there at once. */
export function openSignIn(): SignIn {
  const state = createStore<SignInState>({ is: "asking" });
  const take = (answer: Answer) =>
    state.set(
      answer.signed_in
        ? { is: "in", user: answer.user }
        : { is: "out", problem: null, ended: false },
    );
  const fail = (error: unknown) => state.set({ is: "out", problem: told(error), ended: false });
  const begin = async (link: string) => {
    const token = tokenOf(link) ?? link.trim();
    try {
      take(await askJson<Answer>(PLACE, { method: "POST", body: { token } }));
    } catch (error) {
      fail(error);
    }
  };
  whenSignedOut(() => state.set({ is: "out", problem: null, ended: true }));

  const token = tokenOf(window.location.hash);
  if (token === null) {
    askJson<Answer>(PLACE).then(take, fail);
  } else {
    // Neither the history nor a copied address shall hold it.
    window.history.replaceState(null, "", window.location.pathname);
    // Where nobody has to sign in, a link is not needed; an open server may have no keys at all.
    askJson<Answer>(PLACE).then((answer) => (answer.signed_in ? take(answer) : begin(token)), fail);
  }
  return {
    state,
    begin,
    async end() {
      try {
        await ask(PLACE, { method: "DELETE" });
        state.set({ is: "out", problem: null, ended: false });
      } catch (error) {
        fail(error);
      }
    },
  };
}

function tokenOf(text: string): string | null {
  return /#token=([\w.-]+)/.exec(text)?.[1] ?? null;
}
