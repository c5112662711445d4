import { Mark } from "../../components/icons";
import { ThemeSwitch } from "../../components/theme-switch";
import { useStore } from "../../use-store";
import { ALL_ROOMS, currentRoute, hashOf } from "../route";
import type { SignIn } from "../sign-in";
import { openShortcuts } from "./shortcuts";

/** The top of every page of the console. */
export function ConsoleHeader({ signIn }: { signIn: SignIn }) {
  const state = useStore(signIn.state);
  const route = useStore(currentRoute);
  const isIn = state.is === "in";
  const current = (is: boolean) => (is ? "page" : undefined);
  return (
    <header class="header console-header">
      <a class="wordmark" href="#/">
        <Mark />
        <span>
          Greenroom <span class="wordmark-part">Console</span>
        </span>
      </a>
      {isIn && (
        <nav class="nav" aria-label="Console">
          <a href="#/" aria-current={current(route.view === "overview")}>
            Overview
          </a>
          <a href={hashOf(ALL_ROOMS)} aria-current={current(route.view !== "overview")}>
            Rooms
          </a>
        </nav>
      )}
      <div class="header-end">
        {state.is === "in" && state.user !== null && (
          <span class="who">
            <span class="visually-hidden">Signed in as </span>
            <span class="who-name" title={state.user}>
              {state.user}
            </span>
            <button type="button" class="link-button" onClick={() => signIn.end()}>
              Sign out
            </button>
          </span>
        )}
        {state.is === "in" && state.user === null && <span class="tag">open access</span>}
        {isIn && (
          <button
            type="button"
            class="button square small"
            aria-label="Keyboard shortcuts"
            onClick={openShortcuts}
          >
            ?
          </button>
        )}
        <ThemeSwitch />
      </div>
    </header>
  );
}
