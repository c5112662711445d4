import { createReadStream, existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";

/** Where `scripts/book.sh build` puts the book of `docs/`. */
const BOOK = resolve("../target/book");

/** The most that a page of it may weigh in gzip, all that it loads included, in bytes. */
const PAGE_BYTES_MAX = 250_000;

const KINDS: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
};

/** Pages of each kind: prose, commands and code, wide tables, long generated ones, formats. */
const SAMPLE = [
  "index.html",
  "guides/deploy.html",
  "concepts/rooms.html",
  "faults.html",
  "reference/configuration.html",
  "reference/close-codes.html",
  "internals/formats.html",
];

const THEMES = { light: "light", dark: "navy" } as const;

let server: Server;
let url: string;

test.beforeAll(async () => {
  expect(existsSync(BOOK), "scripts/book.sh build makes the book").toBe(true);
  server = createServer((request, response) => {
    const file = join(BOOK, new URL(request.url ?? "/", "http://book").pathname);
    if (!file.startsWith(BOOK) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": KINDS[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

test.afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** What a file of the book weighs in gzip. */
function weightOf(path: string): number {
  const file = join(BOOK, path);
  return existsSync(file) ? gzipSync(readFileSync(file)).length : 0;
}

async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return violations.map(
    (found) =>
      `${found.id}: ${found.nodes
        .slice(0, 4)
        .map((n) => n.target)
        .join(", ")}`,
  );
}

for (const [theme, name] of Object.entries(THEMES)) {
  for (const path of SAMPLE) {
    test(`${path} of the book is accessible in its ${theme} theme`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme: theme as "light" | "dark" });
      const page = await context.newPage();
      await page.goto(`${url}/${path}`);
      await expect(page.locator("html")).toHaveClass(new RegExp(`\\b${name}\\b`));
      await expect(page.locator("#mdbook-sidebar a.active").first()).toBeVisible();
      expect(await violations(page)).toEqual([]);
      const shot = path.replace("/", "-").replace(".html", "");
      await page.screenshot({ path: `test-results/book-${shot}-${theme}.png` });
      await context.close();
    });
  }
}

test("every page of the book is light and asks nobody but its own server", async ({ page }) => {
  test.setTimeout(180_000);
  const pages = readdirSync(BOOK, { recursive: true, encoding: "utf8" });
  const asked: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const heavy: string[] = [];
  for (const path of pages.filter((path) => path.endsWith(".html"))) {
    asked.length = 0;
    await page.goto(`${url}/${path}`, { waitUntil: "load" });
    expect(
      asked.filter((one) => !one.startsWith(url)),
      path,
    ).toEqual([]);
    const weight = asked.reduce((sum, one) => sum + weightOf(new URL(one).pathname), 0);
    if (weight > PAGE_BYTES_MAX) heavy.push(`${path}: ${weight}`);
  }
  expect(heavy).toEqual([]);
  expect(complaints).toEqual([]);
});

test("a search finds what the book says", async ({ page }) => {
  await page.goto(`${url}/index.html`);
  await page.keyboard.press("s");
  await page.getByRole("searchbox").pressSequentially("incarnation");
  await expect(page.locator("#mdbook-searchresults a").first()).toBeVisible();
});

test("nothing of the book scrolls sideways on a phone but tables and code", async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  const wide: string[] = [];
  for (const path of SAMPLE) {
    await page.goto(`${url}/${path}`);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (overflow > 0) wide.push(`${path}: ${overflow}`);
    const shot = path.replace("/", "-").replace(".html", "");
    await page.screenshot({ path: `test-results/book-${shot}-320.png` });
  }
  expect(wide).toEqual([]);
});
