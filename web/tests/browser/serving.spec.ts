import { gzipSync } from "node:zlib";
import { expect, test } from "./harness";

/** The strictest policy under which the page promises to work. */
const POLICY = "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'";

/** The most that the page may weigh in gzip, in bytes. */
const PAGE_BYTES_MAX = 250_000;

test("the page is light and asks nobody but its own server", async ({ enter, server }) => {
  const asked: string[] = [];
  const weights: Promise<number>[] = [];
  const ada = await enter(undefined, {
    prepare: async (page) => {
      page.on("request", (request) => asked.push(request.url()));
      page.on("response", (response) => {
        weights.push(response.body().then((body) => gzipSync(body).length));
      });
    },
  });
  await ada.expectState("Connected");
  const weight = (await Promise.all(weights)).reduce((sum, one) => sum + one, 0);
  expect(asked.filter((url) => !url.startsWith(server.url))).toEqual([]);
  expect(weight).toBeGreaterThan(10_000);
  expect(weight).toBeLessThan(PAGE_BYTES_MAX);

  const licences = await ada.page.request.get(`${server.url}/licences.txt`);
  expect(await licences.text()).toContain("yjs");
});

test("the page works behind a path prefix and under a strict policy", async ({
  browser,
  server,
}) => {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const sockets: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("websocket", (socket) => sockets.push(socket.url()));
  // What a proxy does that publishes the server below a folder.
  await page.route(`${server.url}/tools/green/**`, async (route) => {
    const inner = route.request().url().replace("/tools/green", "");
    const response = await route.fetch({ url: inner });
    const headers = { ...response.headers(), "content-security-policy": POLICY };
    await route.fulfill({ response, headers });
  });
  await page.route(
    (url) => !url.pathname.startsWith("/tools/green/"),
    (route) => route.abort(),
  );
  await page.goto(`${server.url}/tools/green/?room=notes`);

  await expect(page.getByRole("textbox", { name: "Text of the room notes" })).toBeVisible();
  const door = `${server.url.replace("http", "ws")}/tools/green/yjs`;
  await expect(page.getByRole("region", { name: "the code for y-websocket" })).toContainText(door);
  await expect.poll(() => sockets[0]).toBe(`${door}/notes`);
  // This server has no door there; that is the only thing that may be missing.
  expect(complaints.filter((text) => !text.includes("WebSocket connection to"))).toEqual([]);
  await page.context().close();
});
