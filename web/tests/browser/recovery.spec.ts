import { expect, test } from "./harness";

test("a killed server loses nothing, and nobody has to reload", async ({ enter, server }) => {
  const ada = await enter("crash");
  const bob = await enter("crash");
  await ada.type("Before the crash.");
  await bob.expectLines(["Before the crash."]);
  const names = [await ada.name(), await bob.name()];

  ada.serverMayBeDown = true;
  bob.serverMayBeDown = true;
  await server.kill();
  await ada.expectState("Reconnecting");
  await bob.expectState("Reconnecting");
  await expect(ada.page.locator(".strip")).toContainText("Keep writing");
  await ada.type("\nWritten by Ada without a server.");
  await bob.type("\nWritten by Bob without a server.");
  await ada.page.screenshot({ path: "test-results/disconnected.png" });

  await server.restart();
  await ada.expectState("Connected");
  await bob.expectState("Connected");
  const expected = [
    "Before the crash.",
    "Written by Ada without a server.",
    "Written by Bob without a server.",
  ];
  await expect.poll(async () => (await ada.lines()).toSorted()).toEqual(expected);
  await bob.expectLines(await ada.lines());
  await expect(ada.other(names[1] as string)).toHaveCount(1);
  await expect(bob.other(names[0] as string)).toHaveCount(1);

  const third = await enter("crash");
  await third.expectLines(await ada.lines());
  await expect(third.people).toHaveCount(3);
});

test("who comes back on a new connection is seen at once", async ({ enter }) => {
  const cuts: (() => Promise<void>)[] = [];
  const ada = await enter("blip");
  const bob = await enter("blip", {
    prepare: (page) =>
      page.routeWebSocket(/\/yjs\//, (socket) => {
        const onward = socket.connectToServer();
        cuts.push(async () => {
          await onward.close();
          await socket.close({ code: 1012, reason: "shutdown" });
        });
      }),
  });
  await bob.type("still here");
  const name = await bob.name();
  await expect(ada.cursors).toHaveText([name]);

  const left = ada.page.evaluate(
    () =>
      new Promise<void>((done) => {
        new MutationObserver((_changes, observer) => {
          if (document.querySelector("[data-session]") !== null) return;
          observer.disconnect();
          done();
        }).observe(document.body, { childList: true, subtree: true });
      }),
  );
  await cuts[0]?.();
  await left;
  await expect(ada.other(name)).toHaveCount(1, { timeout: 3000 });
  await expect(ada.cursors).toHaveText([name]);
  await expect(bob.other(await ada.name())).toHaveCount(1, { timeout: 3000 });
});

test("text that no server has seen yet is not left behind without a question", async ({
  enter,
  server,
}) => {
  const ada = await enter();
  await ada.expectState("Connected");
  ada.serverMayBeDown = true;
  await server.kill();
  await ada.expectState("Reconnecting");
  await ada.type("not yet anywhere else");
  const asked = ada.page.waitForEvent("dialog");
  // The page stays until the question is answered, so its closing is not awaited here.
  void ada.page.close({ runBeforeUnload: true });
  const dialog = await asked;
  expect(dialog.type()).toBe("beforeunload");
  await dialog.dismiss();
  await ada.expectLines(["not yet anywhere else"]);
});

test("a server that does not answer is named, and found when it comes", async ({ enter }) => {
  let answers = false;
  const ada = await enter("late", {
    prepare: (page) =>
      page.routeWebSocket(/\/yjs\//, (socket) => {
        if (answers) socket.connectToServer();
        else void socket.close({ code: 1013, reason: "try again later" });
      }),
  });
  await expect(ada.page.locator(".strip")).toContainText("does not answer yet");
  await ada.type("written early");
  answers = true;
  await ada.expectState("Connected");
  const bob = await enter("late");
  await bob.expectLines(["written early"]);
});

const ENDINGS = [
  { code: 4400, reason: "too_large", title: "could not accept this session" },
  { code: 4401, reason: "expired", title: "asks who you are" },
  { code: 4403, reason: "forbidden", title: "You may not enter this room" },
  { code: 4404, reason: "deleted", title: "This room is gone" },
  { code: 4499, reason: "", title: "The server ended this session" },
];

for (const { code, reason, title } of ENDINGS) {
  test(`a close with ${code} is explained and can be tried again`, async ({ enter }) => {
    let refuse = true;
    const ada = await enter("closed", {
      prepare: (page) =>
        page.routeWebSocket(/\/yjs\//, (socket) => {
          if (refuse) void socket.close({ code, reason });
          else socket.connectToServer();
        }),
    });
    await ada.expectState("Disconnected");
    const notice = ada.page.getByRole("alert");
    await expect(notice).toContainText(title);
    await expect(notice).toContainText(reason || "no reason given");
    await expect(notice).toContainText(String(code));
    await expect(ada.text).toHaveAttribute("aria-readonly", "true");
    if (code === 4403) await ada.page.screenshot({ path: "test-results/forbidden.png" });

    refuse = false;
    await notice.getByRole("button", { name: "Try again" }).click();
    await ada.expectState("Connected");
    await expect(notice).toHaveCount(0);
    await ada.type("back again");
    await ada.expectLines(["back again"]);
  });
}
