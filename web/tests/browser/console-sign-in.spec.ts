import { expect, test } from "./console-harness";

/** Chromium reports an answer with an error status by itself; no page can prevent that. */
const REFUSED = /Failed to load resource: the server responded with a status of 401/;

test("a link signs in once, and leaves the address", async ({ served, open, complaints }) => {
  const link = await served.link();
  const page = await open(link);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  expect(page.url()).not.toContain("token");
  await expect(page.getByText("Signed in as admin")).toBeVisible();

  await page.reload();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();

  const other = await open(link);
  await expect(other.getByRole("alert")).toContainText("was used");
  await expect(other.getByRole("heading", { name: "Sign in to the console" })).toBeVisible();
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !REFUSED.test(text)));
});

test("a used link stays used when the server was killed", async ({ served, open, complaints }) => {
  const link = await served.link();
  const first = await open(link);
  await expect(first.getByRole("heading", { name: "Overview" })).toBeVisible();
  await served.kill();
  await served.restart();
  const page = await open(link);
  await expect(page.getByRole("alert")).toContainText("was used");
  complaints.length = 0;
});

test("a pasted link signs in, and signing out ends it", async ({ served, open, complaints }) => {
  const page = await open(`${served.url}/console`);
  await page.getByLabel("Or paste the link here").fill(await served.link());
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();

  const [cookie] = await page.context().cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict", path: "/", secure: false });
  const asked = () =>
    page.request.get(`${served.url}/api/rooms`, {
      headers: { cookie: `${cookie?.name}=${cookie?.value}` },
    });
  expect((await asked()).status()).toBe(200);

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in to the console" })).toBeVisible();
  expect((await asked()).status()).toBe(401);
  expect(complaints).toEqual([]);
});

test("a sign-in that ended leads back to where it was", async ({ served, open, complaints }) => {
  const page = await open(await served.link());
  await page.goto(`${served.url}/console#/rooms`);
  await expect(page.getByRole("heading", { name: "Rooms" })).toBeVisible();
  await page.context().clearCookies();
  await expect(page.getByRole("alert")).toContainText("has ended", { timeout: 15_000 });
  await page.getByLabel("Or paste the link here").fill(await served.link());
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Rooms" })).toBeVisible();
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !REFUSED.test(text)));
});

test("nobody signs in to a development server", async ({ dev, open }) => {
  const page = await open(`${dev.url}/console`);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await expect(page.getByText("open access")).toBeVisible();
});
