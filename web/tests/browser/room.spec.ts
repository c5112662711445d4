import { expect, test } from "./harness";

test("two people write in one room and see each other's cursor and name", async ({ enter }) => {
  const ada = await enter();
  const bob = await enter();
  await ada.expectState("Connected");
  await bob.expectState("Connected");
  const [adaName, bobName] = [await ada.name(), await bob.name()];
  await expect(ada.other(bobName)).toHaveCount(1);
  await expect(bob.other(adaName)).toHaveCount(1);

  await ada.type("Hello from Ada.\nA second line.");
  await bob.expectLines(["Hello from Ada.", "A second line."]);
  await expect(bob.cursors).toHaveText([adaName]);
  await expect(bob.other(adaName)).toContainText("line 2");

  await bob.type(" And Bob.");
  await ada.expectLines(["Hello from Ada.", "A second line. And Bob."]);
  await expect(ada.cursors).toHaveText([bobName]);
});

test("rooms do not mix, and names with slashes and spaces are rooms too", async ({ enter }) => {
  const room = "notes/50% of märz?";
  const ada = await enter(room);
  const bob = await enter(room);
  const eve = await enter("elsewhere");
  await ada.type("only here");
  await bob.expectLines(["only here"]);
  await eve.expectState("Connected");
  await expect(eve.people).toHaveCount(1);
  await eve.expectLines([""]);
  await expect(ada.page.getByRole("heading", { level: 1 })).toContainText(room);
});

test("a new name and colour reach the others, in the list and at the cursor", async ({ enter }) => {
  const ada = await enter();
  const bob = await enter();
  await ada.type("hi");
  await expect(bob.cursors).toHaveText([await ada.name()]);
  await ada.nameField.fill("Ada Lovelace");
  await expect(bob.other("Ada Lovelace")).toHaveCount(1);
  await expect(bob.cursors).toHaveText(["Ada Lovelace"]);

  const colour = () =>
    bob.page
      .locator(".cm-ySelectionInfo")
      .evaluate((flag) => getComputedStyle(flag).backgroundColor);
  await ada.page.getByRole("radio", { name: "Plum" }).check();
  await expect.poll(colour).toBe("rgb(165, 86, 159)");
  await ada.page.getByRole("radio", { name: "Amber" }).check();
  await expect.poll(colour).toBe("rgb(157, 103, 28)");
});

test("a reload keeps the name and is seen at once by the others", async ({ enter }) => {
  const ada = await enter();
  const bob = await enter();
  await ada.type("before");
  await bob.expectLines(["before"]);
  const name = await ada.name();
  const before = await bob.other(name).getAttribute("data-session");

  await ada.page.reload();
  const after = bob.other(name).and(bob.page.locator(`:not([data-session="${before}"])`));
  await expect(after).toHaveCount(1, { timeout: 3000 });
  await expect(bob.people).toHaveCount(2, { timeout: 3000 });
  expect(await ada.name()).toBe(name);
  await ada.expectLines(["before"]);
});

test("who leaves is gone from the list and from the text", async ({ enter }) => {
  const ada = await enter();
  const bob = await enter();
  await ada.type("bye");
  await expect(bob.cursors).toHaveCount(1);
  await ada.context.close();
  await expect(bob.people).toHaveCount(1, { timeout: 3000 });
  await expect(bob.cursors).toHaveCount(0);
  await bob.expectLines(["bye"]);
});

test("the button opens a second window as another person", async ({ enter }) => {
  const ada = await enter("pair");
  const opened = ada.context.waitForEvent("page");
  await ada.page.getByRole("link", { name: "Open a second window" }).click();
  const second = await opened;
  await expect(ada.people).toHaveCount(2);
  const secondName = await second.getByLabel("Your name").inputValue();
  expect(secondName).not.toBe(await ada.name());
  await expect(ada.other(secondName)).toHaveCount(1);
});

test("the link is copied and leads to the room", async ({ enter }) => {
  const ada = await enter("copy me");
  await ada.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await ada.page.getByRole("button", { name: "Copy link" }).click();
  await expect(ada.page.getByText("Copied")).toBeVisible();
  const link = await ada.page.evaluate(() => navigator.clipboard.readText());
  expect(new URL(link).searchParams.get("room")).toBe("copy me");
});

test("the form leads to another room and refuses what cannot be one", async ({ enter }) => {
  const ada = await enter();
  const field = ada.page.getByLabel("Go to another room");
  await field.fill("a/../b");
  await field.press("Enter");
  await expect(ada.page.getByText("no part that is just")).toBeVisible();
  await field.fill("planning");
  await field.press("Enter");
  await expect(ada.page.getByRole("heading", { level: 1 })).toContainText("planning");

  const bad = await enter("x".repeat(200));
  await expect(bad.page.getByRole("alert")).toContainText("at most 128 bytes");
});
