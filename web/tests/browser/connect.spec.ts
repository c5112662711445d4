import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { expect, test } from "./harness";

test("the code on the page joins the room as it stands", async ({ enter }) => {
  const ada = await enter("snippet room");
  await ada.type("from the page");
  const code = await ada.page
    .getByRole("region", { name: "the code for y-websocket" })
    .textContent();
  await mkdir("test-results", { recursive: true });
  await writeFile("test-results/snippet.mjs", code ?? "");

  // Node 20 has the browser's WebSocket only behind a flag.
  const guest = spawn("node", ["--experimental-websocket", "test-results/snippet.mjs"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const printed: string[] = [];
  createInterface({ input: guest.stdout }).on("line", (line) => printed.push(line));
  try {
    await expect.poll(() => printed.at(-1)).toBe("from the page");
    await ada.type(", live");
    await expect.poll(() => printed.at(-1)).toBe("from the page, live");
    await expect(ada.other("my-code")).toHaveCount(1);
  } finally {
    const gone = once(guest, "exit");
    guest.kill();
    await gone;
  }
  await expect(ada.people).toHaveCount(1);
});
