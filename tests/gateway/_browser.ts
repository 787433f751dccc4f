/**
 * A real Chromium, one for all tests of a file. Where there is none, the tests
 * are skipped, and say why.
 */

import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { assertEquals } from "@std/assert";
import { hasTool } from "../_tools.ts";

const CHROMIUM = "/usr/bin/chromium";
const isThere = hasTool("chromium");

let launched: Promise<Browser> | undefined;

/** The browser; {@linkcode closeBrowser} ends it. */
function browser(): Promise<Browser> {
  launched ??= launch();
  return launched;
}

async function launch(): Promise<Browser> {
  // Else it looks below /proc/sys when it is loaded, for which Deno wants all
  // permissions.
  Deno.env.set("__IS_WSL_TEST__", "1");
  const { chromium } = await import("playwright-core");
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--autoplay-policy=no-user-gesture-required",
      "--disable-gpu", // where there is none, frames of a film come late
    ],
  });
}

/** Ends the browser, if it was started. */
export async function closeBrowser(): Promise<void> {
  const running = launched;
  launched = undefined;
  await (await running)?.close();
}

/** A test that needs the browser, which outlives it. */
export function testInBrowser(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: isThere ? name : `${name} (skipped: chromium not installed)`,
    ignore: !isThere,
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

/** How a page is opened. */
export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
  /** Whether the page gets its scripts. */
  readonly withScript?: boolean;
}

/** A page with what went wrong on it. */
export interface OpenedPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors of scripts, and what the page's own policy forbade. */
  readonly errors: string[];
}

/** Opens a page; the caller disposes of it. */
export async function openPage(
  url: string,
  { width = 1280, height = 800, withScript = true, ...rest }: PageOptions = {},
): Promise<OpenedPage> {
  const context = await (await browser()).newContext({
    viewport: { width, height },
    acceptDownloads: true,
    timezoneId: "UTC",
    locale: "en-GB",
    reducedMotion: "reduce",
    ...rest,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // a busy machine draws slowly
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // The page itself reports an answer that is no success.
    const isAnswer = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isAnswer) errors.push(message.text());
  });
  if (!withScript) await page.route("**/*.js", (route) => route.abort());
  await page.goto(url);
  return {
    ...{ page, errors },
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** Fails if a screen reader would have trouble, by all rules of axe-core. */
export async function assertAccessible(page: Page): Promise<void> {
  // From outside: the page's own policy allows no such script.
  await page.evaluate(`{${axe.source}}; void 0`);
  const found = await page.evaluate(`axe.run(document, {
    resultTypes: ["violations"],
  }).then(({ violations }) =>
    violations.map(({ id, nodes }) =>
      id + ": " + nodes.map(({ html, failureSummary }) =>
        html.slice(0, 200) + " " + failureSummary).join("; ")))`);
  assertEquals(found, []);
}

/** Closes the preview with a key, and waits until it is closed. */
export async function closePreview(page: Page): Promise<void> {
  await page.keyboard.press("Escape");
  await page.waitForSelector("#preview:not([open])", { state: "attached" });
}

/** The texts of all elements that a selector finds. */
export function textsOf(page: Page, selector: string): Promise<string[]> {
  return page.locator(selector).allInnerTexts();
}

/** Waits until an expression is true on the page. */
export async function until(page: Page, expression: string): Promise<void> {
  // Not waitForFunction: it evaluates text, which the page's policy forbids.
  await page.evaluate(`new Promise((done) => {
    const look = () => (${expression}) ? done() : setTimeout(look, 20);
    look();
  })`);
}
