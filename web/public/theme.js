// Runs before the first paint, so that a chosen theme never flashes. `src/theme.ts` owns the choice.
try {
  const chosen = localStorage.getItem("greenroom.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is switched off in this browser: the theme of the system stays.
}
