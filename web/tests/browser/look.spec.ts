import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test, type Visitor } from "./harness";

const NOTE = `Saturday, the lake house

Anna brings the boat keys and the big lamp.
Somebody should call about the key to the boat shed.

Bread, tomatoes, olives, lemons`;

async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return violations.map((found) => `${found.id}: ${found.nodes.map((n) => n.target).join(", ")}`);
}

async function named(visitor: Visitor, name: string, colour: string): Promise<void> {
  await visitor.nameField.fill(name);
  await visitor.page.getByRole("radio", { name: colour }).check();
}

for (const theme of ["light", "dark"] as const) {
  test(`the ${theme} page is accessible and complete`, async ({ enter }) => {
    const ada = await enter(undefined, { colorScheme: theme });
    const bob = await enter();
    const cleo = await enter();
    await named(ada, "calm-otter", "Fern");
    await named(bob, "brisk-wren", "Rose");
    await named(cleo, "sunny-heron", "Sky");
    await ada.type(NOTE);
    await bob.expectLines(NOTE.split("\n"));
    await bob.type(" and the good olive oil");
    await cleo.text.getByText("Anna").click();
    await expect(ada.cursors).toHaveCount(2);
    await expect(ada.other("sunny-heron")).toContainText("line 3");
    await ada.expectState("Connected");
    expect(await violations(ada.page)).toEqual([]);
    await ada.page.screenshot({ path: `test-results/${theme}.png`, fullPage: true });
  });
}

test("a notice and the room that cannot be are accessible in both themes", async ({ enter }) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const closed = await enter("closed", {
      colorScheme,
      prepare: (page) =>
        page.routeWebSocket(/\/yjs\//, (socket) =>
          socket.close({ code: 4403, reason: "forbidden" }),
        ),
    });
    await closed.expectState("Disconnected");
    expect(await violations(closed.page)).toEqual([]);
    const bad = await enter("a/../b", { colorScheme });
    await expect(bad.page.getByRole("alert")).toBeVisible();
    expect(await violations(bad.page)).toEqual([]);
  }
});

test("the theme switch wins over the system and outlasts a reload", async ({ enter }) => {
  const ada = await enter(undefined, { colorScheme: "light" });
  const ground = () =>
    ada.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await ada.page.getByRole("radio", { name: "Dark" }).check();
  const dark = await ground();
  expect(dark).not.toBe(light);
  await ada.page.reload();
  expect(await ground()).toBe(dark);
  await ada.page.getByRole("radio", { name: "Auto" }).check();
  expect(await ground()).toBe(light);
});

for (const width of [320, 360, 768, 1440]) {
  test(`nothing scrolls sideways at ${width} px, whatever the names`, async ({ enter }) => {
    const ada = await enter("a-rather-long-name-for-a-room-without-any-space-in-it-at-all", {
      viewport: { width, height: 740 },
    });
    const bob = await enter("a-rather-long-name-for-a-room-without-any-space-in-it-at-all");
    await named(bob, "W".repeat(32), "Iris");
    await bob.text.click();
    await bob.page.keyboard.insertText("unbreakable".repeat(20));
    await expect(ada.cursors).toHaveCount(1);
    const overflow = await ada.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
  });
}

test("a phone shows the page in one column", async ({ enter }) => {
  const ada = await enter(undefined, { viewport: { width: 360, height: 740 } });
  const bob = await enter();
  await named(ada, "calm-otter", "Fern");
  await named(bob, "brisk-wren", "Rose");
  await bob.type(NOTE);
  await expect(ada.cursors).toHaveCount(1);
  await ada.expectState("Connected");
  expect(await violations(ada.page)).toEqual([]);
  await ada.page.screenshot({ path: "test-results/narrow.png", fullPage: true });
});

test("the keyboard reaches everything, and the skip link leads into the text", async ({
  enter,
}) => {
  const ada = await enter();
  await ada.expectState("Connected");
  await ada.page.keyboard.press("Tab");
  await expect(ada.page.getByRole("link", { name: "Skip to the text" })).toBeFocused();
  await ada.page.keyboard.press("Enter");
  await expect(ada.text).toBeFocused();
  await ada.page.keyboard.type("typed by keyboard alone");
  await ada.expectLines(["typed by keyboard alone"]);
  await ada.page.keyboard.press("Tab");
  await expect(ada.nameField).toBeFocused();
});
