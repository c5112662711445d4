import { useEffect, useRef } from "preact/hooks";
import { useStore } from "../use-store";
import { Announcer } from "./parts/announcer";
import { ConsoleHeader } from "./parts/header";
import { Shortcuts } from "./parts/shortcuts";
import { currentRoute, type Route } from "./route";
import type { SignIn } from "./sign-in";
import { OverviewView } from "./views/overview";
import { RoomView } from "./views/room";
import { RoomsView } from "./views/rooms";
import { SignInView } from "./views/sign-in";

const MAIN_ID = "main";

/** The console: who may look, then what there is to see. */
export function ConsoleApp({ signIn }: { signIn: SignIn }) {
  const state = useStore(signIn.state);
  const route = useStore(currentRoute);
  const main = useRef<HTMLElement>(null);
  const isIn = state.is === "in";
  useTitle(isIn ? titleOf(route) : "Sign in");
  useFocusOnTurn(main, isIn ? `${route.view} ${route.view === "room" ? route.room : ""}` : "");
  return (
    <>
      <a
        class="skip-link"
        href={`#${MAIN_ID}`}
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <ConsoleHeader signIn={signIn} />
      <main class="page console" id={MAIN_ID} ref={main} tabIndex={-1}>
        {state.is === "out" && <SignInView signIn={signIn} state={state} />}
        {isIn && <View route={route} />}
      </main>
      <footer class="footer">
        <p>
          <a href="./api/docs">REST interface</a> · <a href="./metrics">Metrics</a> ·{" "}
          <a href="./licences.txt">Licences of the parts of this page</a>
        </p>
      </footer>
      {isIn && <Shortcuts />}
      <Announcer />
    </>
  );
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case "overview":
      return <OverviewView />;
    case "rooms":
      return <RoomsView route={route} />;
    case "room":
      return <RoomView key={route.room} room={route.room} tab={route.tab} />;
  }
}

function titleOf(route: Route): string {
  switch (route.view) {
    case "overview":
      return "Overview";
    case "rooms":
      return "Rooms";
    case "room":
      return route.room;
  }
}

function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Greenroom console`;
  }, [title]);
}

/** After a turn to another page the keyboard and the screen reader start at its top. */
function useFocusOnTurn(main: { current: HTMLElement | null }, place: string): void {
  const last = useRef<string | null>(null);
  useEffect(() => {
    if (last.current !== null && last.current !== "" && last.current !== place) {
      main.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    last.current = place;
  }, [main, place]);
}
