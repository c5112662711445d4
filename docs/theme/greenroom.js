// What the default theme of mdBook does not say to screen readers, and what the keyboard cannot reach.
(() => {
  const bar = document.getElementById("mdbook-menu-bar");
  bar?.setAttribute("role", "banner");
  // The sidebar is folded by a label, which the keyboard does not reach: a button in its place.
  const label = document.getElementById("mdbook-sidebar-toggle");
  const anchor = document.getElementById("mdbook-sidebar-toggle-anchor");
  if (label && anchor) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = label.className;
    button.title = label.title;
    button.setAttribute("aria-label", label.title);
    button.setAttribute("aria-controls", "mdbook-sidebar");
    button.append(...label.childNodes);
    const tell = () => button.setAttribute("aria-expanded", String(anchor.checked));
    button.addEventListener("click", () => label.click());
    anchor.addEventListener("change", tell);
    tell();
    label.hidden = true;
    label.style.display = "none";
    label.after(button);
  }
  // What scrolls sideways is reached by the keyboard too.
  for (const block of document.querySelectorAll("pre > code, .table-wrapper")) {
    block.setAttribute("tabindex", "0");
  }
})();
