import { askJson } from "../api";
import { type RoomShown, roomPath } from "../model";
import { ProblemNote } from "../parts/problem-note";
import { ALL_ROOMS, hashOf, ROOM_TABS, type RoomTab } from "../route";
import { agoText, bytesText, countText, momentText } from "../text";
import { type Asked, useAsked } from "../use-asked";
import { DataTab } from "./room-data";
import { EventsTab } from "./room-events";
import { PeopleTab } from "./room-people";
import { SettingsTab } from "./room-settings";

/** How often the room is looked at again. */
const LOOK_EVERY_MS = 3000;

const WORDS: Record<RoomTab, string> = {
  people: "People",
  data: "Data",
  events: "Events",
  settings: "Settings",
};

/** One room: who is in it, what it holds, what happens, what it is. */
export function RoomView({ room, tab }: { room: string; tab: RoomTab }) {
  const asked = useAsked(
    room,
    (signal) => askJson<RoomShown>(roomPath(room), { signal }),
    LOOK_EVERY_MS,
  );
  return (
    <>
      <div class="room-head">
        <nav aria-label="Where this is" class="crumbs">
          <a href={hashOf(ALL_ROOMS)}>Rooms</a> <span aria-hidden="true">/</span>
        </nav>
        <h1 class="room-title">{room}</h1>
        {asked.value !== null && <Facts shown={asked.value} />}
      </div>
      {asked.problem?.code === "room_not_found" ? (
        <div class="notice" role="alert">
          <p>
            <strong>There is no such room.</strong> It was deleted, or nobody has written to it yet.
          </p>
          <a href={hashOf(ALL_ROOMS)}>All rooms</a>
        </div>
      ) : (
        <ProblemNote problem={asked.problem} again={asked.again} />
      )}
      {asked.value !== null && asked.problem?.code !== "room_not_found" && (
        <>
          <nav class="tabs" aria-label="Parts of the room">
            {ROOM_TABS.map((name) => (
              <a
                key={name}
                href={hashOf({ view: "room", room, tab: name })}
                aria-current={name === tab ? "page" : undefined}
              >
                {WORDS[name]}
                {name === "people" && (
                  <span class="count">{countText(asked.value?.sessions.length ?? 0)}</span>
                )}
              </a>
            ))}
          </nav>
          <Tab room={room} tab={tab} shown={asked.value} asked={asked} />
        </>
      )}
    </>
  );
}

interface TabProps {
  room: string;
  tab: RoomTab;
  shown: RoomShown;
  asked: Asked<RoomShown>;
}

function Tab({ room, tab, shown, asked }: TabProps) {
  switch (tab) {
    case "people":
      return <PeopleTab room={room} shown={shown} again={asked.again} />;
    case "data":
      return <DataTab room={room} shown={shown} />;
    case "events":
      return <EventsTab room={room} shown={shown} />;
    case "settings":
      return <SettingsTab room={room} shown={shown} again={asked.again} />;
  }
}

function Facts({ shown }: { shown: RoomShown }) {
  return (
    <p class="facts">
      <span class={shown.state === "live" ? "state on" : "state off"}>
        {shown.state === "live" ? "in memory" : "unavailable"}
      </span>
      <span>{shown.kind}</span>
      <span>
        seq {countText(shown.seq)}
        {shown.durable_seq < shown.seq &&
          `, ${countText(shown.seq - shown.durable_seq)} not on disk`}
      </span>
      <span>{bytesText(shown.bytes)}</span>
      {shown.changed_ms !== null && (
        <span title={momentText(shown.changed_ms)}>
          changed {agoText(shown.changed_ms, Date.now())}
        </span>
      )}
      {!shown.stored && <span>nobody wrote to it yet</span>}
    </p>
  );
}
