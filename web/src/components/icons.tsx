/** The mark: a door that stands ajar. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="mark-wall" />
      <path d="M10 26V13a6 6 0 0 1 12 0v13z" class="mark-light" />
      <path d="M10 26V13a6 6 0 0 1 3.4-5.4L19 11v15z" class="mark-door" />
      <circle cx="16.6" cy="18.4" r="1.1" class="mark-light" />
    </svg>
  );
}

/** Two windows, one before the other. */
export function WindowsIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M7 5V4a1.5 1.5 0 0 1 1.5-1.5h7A1.5 1.5 0 0 1 17 4v7a1.5 1.5 0 0 1-1.5 1.5h-1" />
      <rect x="3" y="6.5" width="10.5" height="10.5" rx="1.5" />
      <path d="M3 10h10.5" />
    </svg>
  );
}

/** Two links of a chain. */
export function LinkIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M8.5 11.5a3 3 0 0 0 4.3 0l2.9-2.9a3 3 0 0 0-4.3-4.3l-1 1" />
      <path d="M11.5 8.5a3 3 0 0 0-4.3 0l-2.9 2.9a3 3 0 0 0 4.3 4.3l1-1" />
    </svg>
  );
}

/** A die that shows five. */
export function DieIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <rect x="3" y="3" width="14" height="14" rx="3" />
      <g class="icon-dots">
        <circle cx="7" cy="7" r="1.1" />
        <circle cx="13" cy="7" r="1.1" />
        <circle cx="10" cy="10" r="1.1" />
        <circle cx="7" cy="13" r="1.1" />
        <circle cx="13" cy="13" r="1.1" />
      </g>
    </svg>
  );
}
