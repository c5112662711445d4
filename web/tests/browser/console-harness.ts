import AxeBuilder from "@axe-core/playwright";
import { type BrowserContext, test as base, expect, type Page } from "@playwright/test";
import { Server } from "./server";

interface OpenOptions {
  colorScheme?: "light" | "dark";
  viewport?: { width: number; height: number };
  /** Runs before the page loads. */
  prepare?: (page: Page) => Promise<void>;
}

interface Fixtures {
  /** Where nobody has to sign in. */
  dev: Server;
  /** Where a sign-in is needed. */
  served: Server;
  /** A browser of its own at an address. */
  open: (url: string, options?: OpenOptions) => Promise<Page>;
  /** What pages wrote to their consoles as errors; must be empty when the test ends. */
  complaints: string[];
}

/** Tests of the console against a real server, each with a server and browsers of its own. */
export const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for this form
  dev: async ({}, use, info) => {
    const server = await Server.start("dev");
    await use(server);
    if (info.status !== info.expectedStatus) console.log(server.output);
    await server.dispose();
  },

  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for this form
  served: async ({}, use, info) => {
    const server = await Server.start("serve");
    await use(server);
    if (info.status !== info.expectedStatus) console.log(server.output);
    await server.dispose();
  },

  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for this form
  complaints: async ({}, use) => {
    const complaints: string[] = [];
    await use(complaints);
    expect(complaints, "errors on the console").toEqual([]);
  },

  open: async ({ browser, complaints }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (url, options = {}) => {
      const { prepare, ...contextOptions } = options;
      const context = await browser.newContext(contextOptions);
      contexts.push(context);
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") {
          complaints.push(message.text());
        }
      });
      await prepare?.(page);
      await page.goto(url);
      return page;
    });
    for (const context of contexts) await context.close();
  },
});

/** What axe finds wrong with the page as it stands. */
export async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return violations.map((found) => `${found.id}: ${found.nodes.map((n) => n.target).join(", ")}`);
}

/** How far the page can be scrolled sideways. */
export async function sideways(page: Page): Promise<number> {
  return page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
}

export { expect };
