import { useState } from "preact/hooks";
import { pageOfRoom, whyNotARoom } from "../room/name";
import type { Session } from "../session";

/** The room's address, and the way to another room. */
export function InvitePanel({ session }: { session: Session }) {
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(window.location.hostname);
  return (
    <section class="panel" aria-labelledby="invite-title">
      <h2 id="invite-title">Bring others</h2>
      <p class="address">{session.pageAddress}</p>
      {local && <p class="hint">This address works on this computer only.</p>}
      <RoomForm />
    </section>
  );
}

function RoomForm() {
  const [problem, setProblem] = useState<string | null>(null);
  const enter = (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("room")).trim();
    const reason = name === "" ? "Type a name for the room." : whyNotARoom(name);
    setProblem(reason);
    if (reason === null) window.location.assign(pageOfRoom(window.location.href, name));
  };
  return (
    <form class="room-form" onSubmit={enter}>
      <label for="other-room">Go to another room</label>
      <div class="field-row">
        <input
          id="other-room"
          class="field"
          name="room"
          type="text"
          autocomplete="off"
          placeholder="such as planning"
          aria-describedby="other-room-problem"
          aria-invalid={problem !== null}
        />
        <button type="submit" class="button">
          Enter
        </button>
      </div>
      <p id="other-room-problem" class="problem" role="status">
        {problem}
      </p>
    </form>
  );
}
