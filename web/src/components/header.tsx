import { Mark } from "./icons";
import { ThemeSwitch } from "./theme-switch";

/** The top of every page: who we are, and the theme. */
export function Header() {
  return (
    <header class="header">
      <a class="wordmark" href="./">
        <Mark />
        Greenroom
      </a>
      <ThemeSwitch />
    </header>
  );
}
