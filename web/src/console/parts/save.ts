/** Lets the browser save a text as a file. */
export function saveText(name: string, kind: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by the next turn.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}

/** A room's name as the beginning of a file's. */
export function fileNameOf(room: string): string {
  return room.replace(/[^\w.-]+/g, "-") || "room";
}
