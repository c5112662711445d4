import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import type { Page } from "@playwright/test";
import { expect, sideways, test, violations } from "./console-harness";
import type { Server } from "./server";

/** The most that the page may weigh in gzip, in bytes. */
const PAGE_BYTES_MAX = 250_000;

const ROOM = "docs/the plan";

/** Somebody in the room, through the demo page. */
async function guest(open: (url: string) => Promise<Page>, server: Server): Promise<Page> {
  const page = await open(`${server.url}/?room=${encodeURIComponent(ROOM)}`);
  await expect(page.locator(".strip-word")).toHaveText("Connected");
  return page;
}

async function write(page: Page, words: string): Promise<void> {
  await page.getByRole("textbox", { name: /^Text of the room/ }).click();
  await page.keyboard.type(words);
}

/** A room with metadata and a document that has a root of each kind. */
async function furnish(page: Page, server: Server): Promise<void> {
  const api = `${server.url}/api/rooms/${encodeURIComponent(ROOM)}`;
  const body = { metadata: { owner: "ada", labels: ["plan", "2026"] } };
  expect((await page.request.put(api, { data: body })).status()).toBe(201);
  const edited = await page.request.put(`${api}/document/json?name=board&root=cards`, {
    data: { todo: [{ title: "boat keys", done: false }], by: { ada: 2, bob: null } },
  });
  expect(edited.status()).toBe(200);
}

function at(server: Server, tab: string): string {
  return `${server.url}/console#/room/${encodeURIComponent(ROOM)}/${tab}`;
}

test("the rooms are listed, filtered and opened", async ({ dev, open }) => {
  const page = await open(`${dev.url}/console#/rooms`);
  await expect(page.getByText("There is no room yet")).toBeVisible();
  for (const name of ["docs/a", "docs/b", "plans"]) {
    await page.request.put(`${dev.url}/api/rooms/${encodeURIComponent(name)}`);
  }
  const rows = page.getByRole("row");
  await expect(rows).toHaveCount(4, { timeout: 15_000 });
  await page.keyboard.press("/");
  await expect(page.getByLabel("Name begins with")).toBeFocused();
  await page.keyboard.type("docs/");
  await expect(rows).toHaveCount(3);
  expect(page.url()).toContain("prefix=docs%2F");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: "docs/b" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "docs/b", level: 1 })).toBeVisible();
  await page.goBack();
  await expect(page.getByLabel("Name begins with")).toHaveValue("docs/");
  await page.getByLabel("Kind").selectOption("service");
  await expect(page.getByText("No room is like that")).toBeVisible();
});

test("the keyboard reaches everything, from the skip link on", async ({ dev, open }) => {
  const page = await open(`${dev.url}/console`);
  await page.request.put(`${dev.url}/api/rooms/a`);
  await page.goto(`${dev.url}/console#/room/a/people`);
  await expect(page.getByRole("heading", { name: "a", level: 1 })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("link", { name: "Settings" })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  for (const name of ["Rooms", /^People/, "Data", "Events", "Settings"]) {
    await page.keyboard.press("Tab");
    await expect(page.getByRole("main").getByRole("link", { name })).toBeFocused();
  }
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Metadata" })).toBeVisible();
  // A letter that is typed into a field is no shortcut.
  await page.getByRole("textbox", { name: "Metadata" }).press("3");
  await expect(page.getByRole("heading", { name: "Metadata" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("3");
  await expect(page.getByRole("region", { name: "Events" })).toBeVisible();
});

test("more rooms than a page has are shown page by page", async ({ dev, open }) => {
  const page = await open(`${dev.url}/console`);
  for (let n = 0; n < 120; n += 1) {
    await page.request.put(`${dev.url}/api/rooms/room-${String(n).padStart(3, "0")}`);
  }
  await page.goto(`${dev.url}/console#/rooms`);
  await expect(page.getByRole("row")).toHaveCount(101);
  await page.getByRole("button", { name: "Show more rooms" }).click();
  await expect(page.getByRole("row")).toHaveCount(121);
  await expect(page.getByRole("link", { name: "room-119" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Show more rooms" })).toHaveCount(0);
});

test("people are shown with their presence, and one is sent away", async ({ dev, open }) => {
  const ada = await guest(open, dev);
  await ada.getByLabel("Your name").fill("calm-otter");
  // A room that nobody wrote to ends with the last one who is in it.
  await furnish(ada, dev);
  const page = await open(at(dev, "people"));
  const row = page.getByRole("row", { name: /calm-otter/ });
  await expect(row).toContainText("yjs");
  await page.getByRole("button", { name: /^Kick/ }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("Close the connection");
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await page.getByRole("button", { name: /^Kick/ }).click();
  await dialog.getByRole("button", { name: "Close it" }).click();
  await expect(ada.locator(".strip-word")).toHaveText("Disconnected");
  await expect(page.getByText("Nobody is in the room now")).toBeVisible();
});

test("documents are shown as a tree that follows edits", async ({ dev, open }) => {
  const ada = await guest(open, dev);
  await furnish(ada, dev);
  await write(ada, "boat keys");
  const page = await open(at(dev, "data"));
  await page.getByRole("button", { name: "board", exact: true }).click();
  await expect(page.getByRole("heading", { name: "board" })).toBeVisible();
  await page.locator("summary", { hasText: "cards" }).click();
  await page.locator("summary", { hasText: "by" }).click();
  await expect(page.locator(".leaf", { hasText: "ada" })).toHaveText("ada: 2");

  await page.getByRole("button", { name: "default document" }).click();
  await expect(page.locator(".json-text")).toHaveText('"boat keys"');
  await write(ada, " and the lamp");
  await expect(page.locator(".json-text")).toContainText("and the lamp");

  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as file" }).click();
  const download = await saved;
  expect(download.suggestedFilename()).toBe("docs-the-plan-.json");
  expect(await readFile(await download.path(), "utf8")).toContain("boat keys");
});

test("events are followed, filtered, paused and exported", async ({ dev, open }) => {
  const ada = await guest(open, dev);
  await furnish(ada, dev);
  const page = await open(at(dev, "events"));
  await expect(page.getByText("live", { exact: true })).toBeVisible();
  await expect(page.getByRole("row", { name: /metadata/ })).toHaveCount(1);
  await write(ada, "one");
  const documents = page.getByRole("row", { name: /document/ });
  await expect(documents.first()).toBeVisible();

  await page.keyboard.press("p");
  const before = await page.getByRole("row").count();
  await write(ada, "two");
  await expect(page.getByRole("button", { name: /^Go on, \d+ new/ })).toBeVisible();
  expect(await page.getByRole("row").count()).toBe(before);
  await page.keyboard.press("p");
  await expect.poll(() => page.getByRole("row").count()).toBeGreaterThan(before);

  const bob = await guest(open, dev);
  await page.getByLabel("Show").selectOption("people");
  await expect(page.getByRole("row", { name: /joined/ })).toHaveCount(1);
  await bob.close();
  await expect(page.getByRole("row", { name: /left/ })).toHaveCount(1);
  await page.getByLabel("Contains").fill("LEFT");
  await expect(page.getByRole("row", { name: /joined/ })).toHaveCount(0);

  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export 1 event" }).click();
  const lines = (await readFile(await (await saved).path(), "utf8")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ event: "left" }]);
});

test("the events go on after the server was killed", async ({ dev, open, complaints }) => {
  const writer = await open(`${dev.url}/console`);
  await furnish(writer, dev);
  const page = await open(at(dev, "events"));
  await expect(page.getByText("live", { exact: true })).toBeVisible();
  await dev.kill();
  await expect(page.getByText("it connects again by itself")).toBeVisible();
  await dev.restart();
  await expect(page.getByText("live", { exact: true })).toBeVisible({ timeout: 20_000 });
  const api = `${dev.url}/api/rooms/${encodeURIComponent(ROOM)}`;
  await page.request.put(`${api}/metadata`, { data: { late: true } });
  await expect(page.getByRole("row", { name: /metadata/ })).toHaveCount(2);
  // The browser reports each request that nobody answered.
  complaints.length = 0;
});

test("metadata is edited, and a room is deleted by typing its name", async ({ dev, open }) => {
  const page = await open(`${dev.url}/console`);
  await furnish(page, dev);
  await page.goto(at(dev, "settings"));
  const field = page.getByRole("textbox", { name: "Metadata" });
  await expect(field).toHaveValue(/"owner": "ada"/);
  await field.fill("[1]");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("Metadata is an object");
  await field.fill('{"owner": "bob"}');
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("button", { name: "Save" })).toBeDisabled();
  await expect(field).toHaveValue(/"owner": "bob"/);

  await page.getByRole("button", { name: "Delete…" }).click();
  const dialog = page.getByRole("dialog");
  const verb = dialog.getByRole("button", { name: "Delete the room" });
  await dialog.getByRole("textbox").fill("docs/the");
  await expect(verb).toBeDisabled();
  await dialog.getByRole("textbox").fill(ROOM);
  await verb.click();
  await expect(page.getByRole("heading", { name: "Rooms" })).toBeVisible();
  await expect(page.getByText("There is no room yet")).toBeVisible();
});

test("a room that is not there is said to be so", async ({ dev, open, complaints }) => {
  const page = await open(`${dev.url}/console#/room/nowhere/data`);
  await expect(page.getByRole("alert")).toContainText("There is no such room");
  complaints.splice(
    0,
    complaints.length,
    ...complaints.filter((text) => !/status of 404/.test(text)),
  );
});

test("the overview says what needs attention, and where", async ({ served, open, complaints }) => {
  const page = await open(await served.link());
  await expect(page.getByRole("region", { name: "Needs attention" })).toBeVisible();
  for (let n = 0; n < 6; n += 1) {
    const headers = { authorization: "Bearer nonsense" };
    const response = await page.request.get(`${served.url}/api/rooms`, { headers });
    expect(response.status()).toBe(401);
  }
  const attention = page.getByRole("region", { name: "Needs attention" });
  await expect(attention).toContainText("People were not let in", { timeout: 15_000 });
  await expect(attention).toContainText("malformed 6");
  expect(complaints).toEqual([]);
});

test("the page is light, asks its own server only, and works below a path", async ({
  dev,
  open,
}) => {
  const asked: string[] = [];
  const weights: Promise<number>[] = [];
  const page = await open("about:blank", {
    prepare: async (page) => {
      page.on("request", (request) => asked.push(request.url()));
      page.on("response", (response) => {
        weights.push(response.body().then((body) => gzipSync(body).length));
      });
      // What a proxy does that publishes the server below a folder.
      await page.route(`${dev.url}/tools/green/**`, async (route) => {
        const inner = route.request().url().replace("/tools/green", "");
        await route.fulfill({ response: await route.fetch({ url: inner }) });
      });
    },
  });
  await page.goto(`${dev.url}/tools/green/console`);
  await expect(page.getByRole("region", { name: "Needs attention" })).toBeVisible();
  const weight = (await Promise.all(weights)).reduce((sum, one) => sum + one, 0);
  expect(asked.filter((url) => !url.startsWith(`${dev.url}/tools/green/`))).toEqual([]);
  expect(weight).toBeGreaterThan(5_000);
  expect(weight).toBeLessThan(PAGE_BYTES_MAX);
});

for (const theme of ["light", "dark"] as const) {
  test(`every view is accessible and complete in the ${theme} theme`, async ({ dev, open }) => {
    // Axe looks at nine views.
    test.setTimeout(240_000);
    const ada = await guest(open, dev);
    await ada.getByLabel("Your name").fill("calm-otter");
    await furnish(ada, dev);
    await write(ada, "Saturday, the lake house");
    for (let n = 0; n < 5; n += 1) await ada.request.put(`${dev.url}/api/rooms/notes%2F${n}`);
    const page = await open(`${dev.url}/console`, { colorScheme: theme });
    const look = async (name: string) => {
      expect(await violations(page), name).toEqual([]);
      expect(await sideways(page), name).toBe(0);
      const path = `test-results/console-${theme}-${name}.png`;
      await page.screenshot({ path, fullPage: true });
    };
    // Two looks of ten seconds make the chart's first line.
    await expect(page.locator(".chart svg")).toBeVisible({ timeout: 40_000 });
    await look("overview");
    await page.getByText("Show as table").click();
    await look("overview-table");
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await expect(page.getByRole("row")).toHaveCount(7);
    await look("rooms");
    await page.getByRole("link", { name: ROOM }).click();
    await expect(page.getByRole("row", { name: /calm-otter/ })).toBeVisible();
    await look("people");
    await page.keyboard.press("2");
    await page.getByRole("button", { name: "board", exact: true }).click();
    await page.locator("summary", { hasText: "cards" }).click();
    await page.locator("summary", { hasText: "todo" }).click();
    await look("data");
    await page.keyboard.press("3");
    await expect(page.getByRole("row", { name: /document/ }).first()).toBeVisible();
    await look("events");
    await page.keyboard.press("4");
    await expect(page.getByRole("heading", { name: "Metadata" })).toBeVisible();
    await look("settings");
    await page.getByRole("button", { name: "Delete…" }).click();
    await look("delete");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await expect(page.getByRole("heading", { name: "Keyboard shortcuts" })).toBeVisible();
    await look("shortcuts");
  });

  test(`signing in is accessible in the ${theme} theme`, async ({ served, open, complaints }) => {
    const page = await open(`${served.url}/console`, { colorScheme: theme });
    await expect(page.getByRole("heading", { name: "Sign in to the console" })).toBeVisible();
    expect(await violations(page)).toEqual([]);
    await page.getByLabel("Or paste the link here").fill("nonsense");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: `test-results/console-${theme}-sign-in.png`, fullPage: true });
    complaints.length = 0;
  });

  test(`the page of the interface is accessible in the ${theme} theme`, async ({ dev, open }) => {
    test.setTimeout(120_000);
    const page = await open(`${dev.url}/api/docs`, { colorScheme: theme });
    await expect(page.locator("details").first()).toBeVisible();
    await page.locator("details").evaluateAll((all) => {
      for (const one of all) (one as HTMLDetailsElement).open = true;
    });
    expect(await violations(page)).toEqual([]);
  });
}

test("nothing scrolls sideways at 320 px", async ({ dev, open }) => {
  test.setTimeout(120_000);
  const ada = await guest(open, dev);
  await furnish(ada, dev);
  await ada.request.put(`${dev.url}/api/rooms/${"unbreakable".repeat(11)}`);
  const page = await open(`${dev.url}/console`, { viewport: { width: 320, height: 720 } });
  await expect(page.getByRole("heading", { name: "Needs attention" })).toBeVisible();
  expect(await sideways(page)).toBe(0);
  await page.screenshot({ path: "test-results/console-narrow-overview.png", fullPage: true });
  await page.goto(`${dev.url}/console#/rooms`);
  await expect(page.getByRole("link", { name: ROOM })).toBeVisible();
  expect(await sideways(page)).toBe(0);
  await page.screenshot({ path: "test-results/console-narrow-rooms.png", fullPage: true });
  for (const tab of ["people", "data", "events", "settings"]) {
    await page.goto(at(dev, tab));
    await expect(page.getByRole("link", { name: "People" })).toBeVisible();
    await expect(page.locator(".room-head + .tabs + *")).toBeVisible();
    expect(await sideways(page), tab).toBe(0);
    expect(await violations(page), tab).toEqual([]);
    await page.screenshot({ path: `test-results/console-narrow-${tab}.png`, fullPage: true });
  }
});
