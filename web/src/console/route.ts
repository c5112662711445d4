import { createStore, type Store } from "../store";

/** The parts of a room's page. */
export const ROOM_TABS = ["people", "data", "events", "settings"] as const;
export type RoomTab = (typeof ROOM_TABS)[number];

/** What the page shows; kept in the fragment of its address. */
export type Route =
  | { view: "overview" }
  | { view: "rooms"; prefix: string; kind: string; loaded: boolean }
  | { view: "room"; room: string; tab: RoomTab };

/** The route that a fragment names; the overview where it names none. */
export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?");
  const [view, room, tab] = path.split("/");
  if (view === "rooms") {
    const asked = new URLSearchParams(query);
    return {
      view: "rooms",
      prefix: asked.get("prefix") ?? "",
      kind: asked.get("kind") ?? "",
      loaded: asked.get("loaded") === "true",
    };
  }
  if (view === "room" && room !== undefined && room !== "") {
    const known = ROOM_TABS.find((name) => name === tab);
    return { view: "room", room: decoded(room), tab: known ?? "people" };
  }
  return { view: "overview" };
}

/** The fragment of a route. */
export function hashOf(route: Route): string {
  switch (route.view) {
    case "overview":
      return "#/";
    case "rooms": {
      const asked = new URLSearchParams();
      if (route.prefix !== "") asked.set("prefix", route.prefix);
      if (route.kind !== "") asked.set("kind", route.kind);
      if (route.loaded) asked.set("loaded", "true");
      return asked.size === 0 ? "#/rooms" : `#/rooms?${asked}`;
    }
    case "room":
      return `#/room/${encodeURIComponent(route.room)}/${route.tab}`;
  }
}

/** All rooms, unfiltered. */
export const ALL_ROOMS: Route = { view: "rooms", prefix: "", kind: "", loaded: false };

const current = createStore<Route>(routeOf(window.location.hash));
window.addEventListener("hashchange", () => current.set(routeOf(window.location.hash)));

/** The route in force. */
export const currentRoute: Store<Route> = current;

/** Goes somewhere. */
export function go(route: Route): void {
  window.location.hash = hashOf(route);
}

/** Changes what the page shows without a step in the history: for filters. */
export function replaceRoute(route: Route): void {
  window.history.replaceState(null, "", hashOf(route));
  current.set(route);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
