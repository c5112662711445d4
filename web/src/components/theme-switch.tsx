import { chooseTheme, currentTheme, THEMES, type Theme } from "../theme";
import { useStore } from "../use-store";

const WORDS: Record<Theme, string> = { auto: "Auto", light: "Light", dark: "Dark" };

/** Chooses between the theme of the system, light and dark. */
export function ThemeSwitch() {
  const theme = useStore(currentTheme);
  return (
    <fieldset class="segments">
      <legend class="visually-hidden">Theme</legend>
      {THEMES.map((choice) => (
        <label key={choice} class="segment">
          <input
            type="radio"
            name="theme"
            value={choice}
            checked={theme === choice}
            onChange={() => chooseTheme(choice)}
          />
          <span>{WORDS[choice]}</span>
        </label>
      ))}
    </fieldset>
  );
}
