import {
  type BrowserContext,
  test as base,
  expect,
  type Locator,
  type Page,
} from "@playwright/test";
import { Server } from "./server";

/** What the page must never say: filled while a test runs, checked when it ends. */
type Complaints = string[];

interface Fixtures {
  server: Server;
  /** A person with a browser of their own, in the room `room`. */
  enter: (room?: string, options?: EnterOptions) => Promise<Visitor>;
}

interface EnterOptions {
  colorScheme?: "light" | "dark";
  viewport?: { width: number; height: number };
  /** Runs before the page loads. */
  prepare?: (page: Page) => Promise<void>;
}

/** One window in a room, with the parts of the page that tests look at. */
export class Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Set while the server is down on purpose: the browser then logs each refused connection. */
  serverMayBeDown = false;

  constructor(page: Page) {
    this.page = page;
    this.context = page.context();
  }

  get text(): Locator {
    return this.page.getByRole("textbox", { name: /^Text of the room/ });
  }

  get people(): Locator {
    return this.page.getByRole("region", { name: "Here now" }).getByRole("listitem");
  }

  /** The names of the others' cursors in the text. */
  get cursors(): Locator {
    return this.page.locator(".cm-ySelectionInfo");
  }

  get nameField(): Locator {
    return this.page.getByLabel("Your name");
  }

  async name(): Promise<string> {
    return this.nameField.inputValue();
  }

  /** The list entry of another session. */
  other(name: string): Locator {
    return this.people.and(this.page.locator("[data-session]")).filter({ hasText: name });
  }

  /** Waits until the strip above the text shows this word. */
  async expectState(word: string): Promise<void> {
    await expect(this.page.locator(".strip-word")).toHaveText(word);
  }

  /** Types at the end of the text. */
  async type(words: string): Promise<void> {
    await this.text.click();
    await this.page.keyboard.press("Control+End");
    await this.page.keyboard.type(words);
  }

  /** The text as the page shows it, line by line. */
  async lines(): Promise<string[]> {
    return this.text.locator(".cm-line").evaluateAll((lines) =>
      lines.map((line) => {
        const copy = line.cloneNode(true) as HTMLElement;
        for (const extra of copy.querySelectorAll(".cm-ySelectionCaret, .cm-placeholder")) {
          extra.remove();
        }
        return copy.textContent ?? "";
      }),
    );
  }

  /** Waits until the text is exactly these lines. */
  async expectLines(expected: string[]): Promise<void> {
    await expect.poll(() => this.lines()).toEqual(expected);
  }
}

/** Tests of the page against a real server, each with a server and browsers of its own. */
export const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner asks for this form
  server: async ({}, use, info) => {
    const server = await Server.start();
    await use(server);
    if (info.status !== info.expectedStatus) console.log(server.output);
    await server.dispose();
  },

  enter: async ({ browser, server }, use) => {
    const complaints: Complaints = [];
    const contexts: BrowserContext[] = [];
    await use(async (room, options = {}) => {
      const { prepare, ...contextOptions } = options;
      const context = await browser.newContext(contextOptions);
      contexts.push(context);
      const page = await context.newPage();
      const visitor = new Visitor(page);
      listen(visitor, complaints);
      await prepare?.(page);
      const query = room === undefined ? "" : `?room=${encodeURIComponent(room)}`;
      await page.goto(`${server.url}/${query}`);
      return visitor;
    });
    for (const context of contexts) await context.close();
    expect(complaints, "errors on the console").toEqual([]);
  },
});

function listen(visitor: Visitor, complaints: Complaints): void {
  visitor.page.on("pageerror", (error) => complaints.push(String(error)));
  visitor.page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    // The browser itself reports a refused WebSocket; no page can prevent that.
    const refused = /WebSocket connection to .* failed/.test(message.text());
    if (!(refused && visitor.serverMayBeDown)) complaints.push(message.text());
  });
}

export { expect };
