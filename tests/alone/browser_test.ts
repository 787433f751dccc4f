/**
 * The page in a real Chromium, over lists that the tests make up: lists,
 * search, keyboard and screen reader.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  assertAccessible,
  closeBrowser,
  openPage,
  testInBrowser,
  textsOf,
  until,
} from "../gateway/_browser.ts";
import {
  file,
  host,
  LINK_POSTS,
  NAMES,
  node,
  NODES,
  transfer,
} from "../gateway/_page_fixture.ts";

testInBrowser(
  "The page lists folders and files, and opens them by mouse, with the browser's Back",
  async () => {
    await using at = host();
    await using opened = await openPage(at.url);
    const { page, errors } = opened;
    await page.waitForSelector(".row");
    assertEquals(await textsOf(page, NAMES), [
      ...[
        "music/",
        "photos/",
        "film.webm",
        "lonely.bin",
        "odd.txt",
        "README.md",
      ],
    ]);
    assertEquals(await page.textContent("#summary"), "8 files, 6.4 MB");
    assertEquals(await textsOf(page, ".row .mark:not([hidden])"), [
      "only",
      "differs",
    ]);
    const cells = await textsOf(page, ".row:has-text('lonely') > div");
    assertEquals(cells.slice(1), ["70.0 KB", "2026-09-01 12:30", "nas"]);
    await page.click("text=photos/");
    await page.waitForURL("**/files/photos/");
    await page.click("text=2026/");
    await page.waitForURL("**/files/photos/2026/");
    await page.waitForSelector("text=beach.svg");
    assertEquals(await textsOf(page, NAMES), ["beach.svg", "missing.png"]);
    assertEquals(await textsOf(page, "#path a"), [
      "All files",
      "photos",
      "2026",
    ]);
    await page.goBack();
    await page.waitForSelector("text=2025/");
    await page.reload();
    await page.waitForSelector(".row");
    assertEquals(await textsOf(page, NAMES), ["2025/", "2026/"]);
    assertEquals(errors, []);
  },
);

testInBrowser(
  "The page sorts by each column and shows what is only here or differs",
  async () => {
    await using at = host();
    await using opened = await openPage(at.url);
    const { page } = opened;
    await page.waitForSelector(".row");
    await page.click(".heads button:has-text('Size')");
    await page.waitForSelector("[aria-sort=descending]");
    await until(
      page,
      'document.querySelector(".row .words").innerText === "music/"',
    );
    assertEquals((await textsOf(page, NAMES)).slice(2), [
      ...["film.webm", "lonely.bin", "README.md", "odd.txt"],
    ]);
    await page.click("#mark-differs");
    await until(page, 'document.querySelectorAll(".row").length === 1');
    assertEquals(await textsOf(page, NAMES), ["odd.txt"]);
    assertEquals(
      await page.getAttribute("#mark-differs", "aria-pressed"),
      "true",
    );
  },
);

testInBrowser(
  "The page searches 100,000 names while somebody types, and stays responsive",
  async () => {
    const files = Array.from(
      { length: 100_000 },
      (_, index) => file(`archive/box ${index % 331}/report ${index}.pdf`),
    );
    await using at = host({ files });
    await using opened = await openPage("about:blank");
    const { page, errors } = opened;
    await page.addInitScript(`
    globalThis.longTasks = [];
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longTasks.push(duration);
    }).observe({ type: "longtask", buffered: true });
  `);
    await page.goto(at.url);
    await page.waitForSelector(".row");
    const query = "report 9999";
    const results: number[] = [];
    await page.focus("#q");
    await page.evaluate("longTasks.length = 0");
    for (let end = 1; end <= query.length; end++) {
      const typed = query.slice(0, end);
      await page.keyboard.type(typed.at(-1)!);
      await page.waitForSelector(`.list[data-view=${JSON.stringify(typed)}]`);
      results.push(Number(await page.getAttribute(".list", "data-ms")));
    }
    const expected = files.filter(([name]) => name.includes("9999")).length;
    const summary = await page.textContent("#summary");
    assertMatch(summary!, new RegExp(`^${expected} of 100,000 files, `));
    assertEquals(await textsOf(page, ".row:first-child mark"), [
      "report",
      "9999",
    ]);
    // 80 to 160 ms each where other programs keep the processor busy, so there
    // is room here; the aim of 100 ms needs an idle machine.
    const usual = results.toSorted((a, b) => a - b)[results.length >> 1]!;
    assert(usual < 1_000, `results after ${results.join(", ")} ms`);
    const tasks = await page.evaluate("longTasks") as number[];
    // The machine may stand still once; a slow page would do so at each key.
    const long = tasks.filter((ms) => ms >= 1_000);
    assert(long.length <= 1, `${long.join(", ")} ms`);
    await page.fill("#q", "");
    await page.goto(`${at.url}?q=report`);
    await page.waitForSelector(".row");
    await page.keyboard.press("Tab");
    await page.locator(".row a").first().focus();
    await page.keyboard.press("End");
    const last = files.findLast(([name]) => name.includes("box 330/"))![0];
    await page.waitForSelector(`text=${last}`);
    const shown = await page.locator(".row").count();
    assert(shown < 120, `${shown} rows are elements`);
    assertEquals(errors, []);
  },
);

testInBrowser(
  "A click is not lost if the list changes while the button of the mouse is down",
  async () => {
    await using at = host();
    await using opened = await openPage(at.url);
    const { page } = opened;
    const row = page.locator(".row:has-text('lonely')");
    const { x, y, height } = (await row.boundingBox())!;
    await page.mouse.move(x + 60, y + height / 2);
    await page.mouse.down();
    // Another file comes to where it is.
    at.state.files = [...at.state.files, file("a first.txt")];
    // The list is asked for again where somebody comes back to the page.
    await page.evaluate(
      'document.dispatchEvent(new Event("visibilitychange"))',
    );
    await page.waitForSelector("text=/^9 files/");
    assertEquals((await textsOf(page, NAMES)).includes("a first.txt"), false);
    await page.mouse.up();
    await page.waitForSelector("dialog[open]");
    assertEquals(await page.textContent("#preview-name"), "lonely.bin");
    await page.waitForSelector("text=a first.txt", { state: "attached" });
  },
);

testInBrowser("The page is used with only the keyboard", async () => {
  await using at = host();
  await using opened = await openPage(at.url);
  const { page } = opened;
  await page.waitForSelector(".row");
  const focused = () =>
    page.evaluate("document.activeElement.innerText") as Promise<string>;
  await page.keyboard.press("/");
  assertEquals(await page.evaluate("document.activeElement.id"), "q");
  await page.keyboard.press("ArrowDown");
  assertEquals(await focused(), "music/");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=2026/");
  await page.keyboard.press("Backspace");
  await page.waitForSelector("text=README.md");
  await page.keyboard.press("/");
  await page.keyboard.type("beach");
  await page.waitForSelector('.list[data-view="beach"]');
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open] img");
  assertEquals(await focused(), "Download");
  // The dialog keeps the focus: Tab never leaves it.
  for (let count = 0; count < 8; count++) {
    await page.keyboard.press("Tab");
    const isIn = await page.evaluate(
      'document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)',
    );
    assertEquals(isIn, true);
  }
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog:not([open])", { state: "attached" });
  assertEquals(await focused(), "photos/2026/beach.svg");
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  await page.waitForSelector("text=lonely.bin");
  assertEquals(await page.inputValue("#q"), "");
});

testInBrowser(
  "Enter at once after typing opens what was typed, and typing continues after Escape",
  async () => {
    await using at = host();
    await using opened = await openPage(at.url);
    const { page } = opened;
    await page.waitForSelector(".row");
    // In one task, as quick as no person is: the answer comes after Enter.
    await page.evaluate(`{
      const search = document.querySelector("#q");
      search.value = "beach";
      search.dispatchEvent(new Event("input", { bubbles: true }));
      search.form.requestSubmit();
    }`);
    await page.waitForSelector(
      "dialog[open] h2[title='photos/2026/beach.svg']",
    );
    // The page notices it first: it has listened for longer.
    const focused = await page.evaluate(`new Promise((done) => {
      const dialog = document.querySelector("dialog");
      dialog.addEventListener("close", () => done(document.activeElement.id), {
        once: true,
      });
      dialog.dispatchEvent(new Event("cancel", { cancelable: true }));
      document.querySelector("#q").focus();
    })`);
    assertEquals(focused, "q");
    // The browser's word that the preview was closed comes after the next is open.
    const isOpen = await page.evaluate(`new Promise((done) => {
      const dialog = document.querySelector("dialog");
      dialog.addEventListener("close", () => done(dialog.open), { once: true });
      document.querySelector("#q").form.requestSubmit();
      dialog.dispatchEvent(new Event("cancel", { cancelable: true }));
      document.querySelector("#q").form.requestSubmit();
    })`);
    assertEquals(isOpen, true);
  },
);

testInBrowser(
  "A node opens its files, Back returns to the nodes, and one click shows all files",
  async () => {
    await using at = host();
    await using opened = await openPage(`${at.url}#nodes`);
    const { page, errors } = opened;
    await page.click("#nodes a:has-text('laptop')");
    await page.waitForURL(/\?node=laptop/);
    await until(page, `document.querySelectorAll(".row").length === 5`);
    assertEquals((await textsOf(page, NAMES)).includes("lonely.bin"), false);
    assertEquals(
      await page.textContent("#summary"),
      "7 of 8 files, 6.3 MB",
    );
    assertEquals(await page.innerText("#from-node"), "on laptop");
    await assertAccessible(page);
    await page.fill("#q", "o");
    await page.waitForSelector('.list[data-view="o"]');
    assertEquals((await textsOf(page, NAMES)).includes("lonely.bin"), false);
    await page.goBack();
    await page.goBack();
    await page.waitForSelector("#nodes h3 >> visible=true");
    await page.goForward();
    await page.click("#from-node");
    await page.waitForSelector("text=lonely.bin");
    assertEquals(await page.isVisible("#from-node"), false);
    assertEquals(errors, []);
  },
);

testInBrowser(
  "axe-core finds nothing on any view, light and dark, with and without script",
  async () => {
    await using at = host({
      nodes: [NODES[0]!, node("old", { path: "none", error: "timed out" })],
      transfers: () => ({
        nowMs: Date.now(),
        transfers: [
          transfer("README.md", { state: "failed", error: "no node has it" }),
          transfer("film.webm", { id: 2 }),
        ],
      }),
      posts: LINK_POSTS,
    });
    for (const colorScheme of ["light", "dark"] as const) {
      await using opened = await openPage(at.url, { colorScheme });
      const { page } = opened;
      await page.waitForSelector(".row");
      await assertAccessible(page);
      await page.fill("#q", "a");
      await page.waitForSelector('.list[data-view="a"]');
      await assertAccessible(page);
      await page.click("text=beach.svg");
      await page.waitForSelector("dialog[open] img");
      await page.click("dialog button:has-text('Link')");
      await page.waitForSelector(".qr");
      await assertAccessible(page);
      await page.keyboard.press("Escape");
      if (colorScheme === "dark") continue; // the same elements, other colours
      for (const view of ["nodes", "transfers"]) {
        await page.click(`nav.tabs a[href='#${view}']`);
        await page.waitForSelector(`#${view} li`);
        await assertAccessible(page);
      }
      await page.goto(`${at.url}link#p2p://nas:1700/x/y/z`);
      await page.waitForSelector("#file:not([hidden])");
      await assertAccessible(page);
    }
    await using plain = await openPage(at.url, { withScript: false });
    assertEquals((await textsOf(plain.page, "#plain tr")).length, 5);
    await assertAccessible(plain.page);
  },
);

testInBrowser("Chromium ends after the tests", closeBrowser);
