/**
 * How quick the page of a gateway is with 100,000 names, in a real Chromium:
 * from a key to the result on the screen, and the longest tasks of the page.
 *
 *     deno task bench:page [--names N] [--runs N]
 */

import { parseArgs } from "@std/cli/parse-args";
import { closeBrowser, openPage } from "../gateway/_browser.ts";
import { file } from "../gateway/_page_fixture.ts";
import { startPageHost } from "../gateway/_page_host.ts";
import { median } from "./_measuring.ts";
import { print } from "./_report.ts";

const args = parseArgs(Deno.args, { string: ["names", "runs"] });
const count = Number(args.names ?? 100_000);
const runs = Number(args.runs ?? 5);
const QUERY = "report 99";

/** What the page itself measured. */
interface Measured {
  /** From each key to the frame that shows its result, in milliseconds. */
  readonly results: readonly number[];
  /** Tasks of 50 ms and more while somebody typed. */
  readonly tasks: readonly number[];
  /** From each key to the next frame, by the browser's event timing. */
  readonly keys: readonly number[];
}

// The observer of a result runs before the frame that shows it; the time is
// taken in the frame after.
const WATCH = `
  globalThis.measured = { results: [], tasks: [], keys: [] };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) measured.tasks.push(duration);
  }).observe({ type: "longtask" });
  new PerformanceObserver((list) => {
    for (const { name, duration } of list.getEntries()) {
      if (name === "keydown") measured.keys.push(duration);
    }
  }).observe({ type: "event", durationThreshold: 16 });
  let typedAt = 0;
  const table = document.querySelector(".list");
  document.querySelector("#q").addEventListener("input", ({ timeStamp }) => {
    typedAt = timeStamp;
  });
  new MutationObserver(() => {
    if (table.dataset.view !== document.querySelector("#q").value) return;
    const since = typedAt;
    requestAnimationFrame(() => setTimeout(() => {
      measured.results.push(performance.now() - since);
    }));
  }).observe(table, { attributeFilter: ["data-view"] });`;

async function measure(url: string): Promise<Measured> {
  await using opened = await openPage(url);
  const { page } = opened;
  await page.waitForSelector(".row");
  await page.evaluate(`{${WATCH}}; void 0`);
  await page.focus("#q");
  for (let length = 1; length <= QUERY.length; length++) {
    const typed = QUERY.slice(0, length);
    await page.keyboard.type(typed.at(-1)!);
    await page.waitForSelector(`.list[data-view=${JSON.stringify(typed)}]`);
    await page.evaluate(`new Promise((done) => {
      const look = () => measured.results.length >= ${length}
        ? done() : setTimeout(look, 5);
      look();
    })`);
  }
  return await page.evaluate("measured") as Measured;
}

try {
  const files = Array.from(
    { length: count },
    (_, index) => file(`archive/box ${index % 331}/report ${index}.pdf`),
  );
  await using host = startPageHost({ files });
  print(`${count} names, ${JSON.stringify(QUERY)} typed ${runs} times`);
  const all: Measured[] = [];
  for (let run = 0; run < runs; run++) all.push(await measure(host.url));
  const results = all.flatMap(({ results }) => results);
  const tasks = all.flatMap(({ tasks }) => tasks);
  const keys = all.flatMap(({ keys }) => keys);
  const whole = (ms: number) => ms.toFixed(0);
  [...QUERY].forEach((letter, index) => {
    const times = all.map(({ results }) => results[index] ?? NaN);
    print(`${JSON.stringify(letter)}: ${times.map(whole).join(", ")} ms`);
  });
  print(
    `result: median ${whole(median(results))} ms, worst ${
      whole(Math.max(...results))
    } ms (wanted: 100)`,
  );
  print(
    `longest task: ${
      tasks.length === 0 ? "below 50" : whole(Math.max(...tasks))
    } ms (wanted: 50)`,
  );
  print(
    `from a key to the next frame: at most ${whole(Math.max(16, ...keys))} ms`,
  );
} finally {
  await closeBrowser();
}
