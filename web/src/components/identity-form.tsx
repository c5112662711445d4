import { useState } from "preact/hooks";
import { COLOURS } from "../presence/colours";
import { inventName } from "../presence/identity";
import { NAME_LENGTH_MAX, readableName } from "../presence/peers";
import type { Presence } from "../presence/presence";
import { useStore } from "../use-store";
import { DieIcon } from "./icons";

/** Changes the name and the colour under which the others see this session. */
export function IdentityForm({ presence }: { presence: Presence }) {
  const identity = useStore(presence.identity);
  // What stands in the field may be no name yet, while it is being typed.
  const [draft, setDraft] = useState<string | null>(null);

  const type = (text: string) => {
    setDraft(text);
    const name = readableName(text);
    if (name !== null) presence.become({ ...identity, name });
  };
  const roll = () => {
    setDraft(null);
    presence.become({ ...identity, name: inventName() });
  };

  return (
    <form class="identity" onSubmit={(event) => event.preventDefault()}>
      <label for="own-name">Your name</label>
      <div class="field-row">
        <input
          id="own-name"
          class="field"
          type="text"
          autocomplete="off"
          spellcheck={false}
          maxLength={NAME_LENGTH_MAX}
          value={draft ?? identity.name}
          onInput={(event) => type(event.currentTarget.value)}
          onBlur={() => setDraft(null)}
        />
        <button type="button" class="button square" aria-label="Another name" onClick={roll}>
          <DieIcon />
        </button>
      </div>
      <fieldset class="swatches">
        <legend>Your colour</legend>
        {COLOURS.map(({ name, hex }) => (
          <label key={hex} class="swatch" title={name}>
            <input
              type="radio"
              name="colour"
              aria-label={name}
              checked={identity.colour === hex}
              onChange={() => presence.become({ ...identity, colour: hex })}
            />
            <span style={{ backgroundColor: hex }} />
          </label>
        ))}
      </fieldset>
    </form>
  );
}
