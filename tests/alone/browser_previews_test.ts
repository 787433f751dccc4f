/**
 * The page in a real Chromium: previews, downloads, transfers, nodes and links.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  closeBrowser,
  closePreview,
  openPage,
  testInBrowser,
  textsOf,
  until,
} from "../gateway/_browser.ts";
import { brightnessAt, makeFilm } from "../gateway/_film.ts";
import { host, LINK_POSTS, node, transfer } from "../gateway/_page_fixture.ts";

testInBrowser(
  "The page shows text as text, a picture, and why a file cannot be shown",
  async () => {
    await using at = host();
    await using opened = await openPage(at.url);
    const { page, errors } = opened;
    await page.click("text=README.md");
    await page.waitForSelector("dialog pre");
    assertEquals(await page.textContent("dialog pre"), "<b>hello</b>\n");
    await closePreview(page);
    await page.goto(`${at.url}files/photos/2026/`);
    await page.click("text=beach.svg");
    await until(
      page,
      'document.querySelector("dialog img").naturalWidth === 60',
    );
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("dialog [role=alert]");
    assertEquals(
      await page.textContent("dialog [role=alert]"),
      "Cannot fetch photos/2026/missing.png: no node has it",
    );
    assertEquals(errors, []);
  },
);

testInBrowser(
  "The page plays a film, and a seek shows the frame that is there",
  async () => {
    await using at = host();
    await using opened = await openPage(at.url);
    const { page } = opened;
    // Each second has its own grey, and noise, so that a minute is not small.
    const bytes = await makeFilm(page, {
      ...{ width: 160, height: 90, frames: 120, framesPerSecond: 2 },
      draw: `c.fillStyle = \`rgb(\${n * 2} \${n * 2} \${n * 2})\`;
      c.fillRect(0, 0, 160, 90);`,
    });
    at.state.contents.set("film.webm", { type: "video/webm", bytes });
    await page.click("text=film.webm");
    await until(page, 'document.querySelector("video")?.duration === 60');
    // Two frames a second, two shades each: VP8 rounds a little.
    for (const seconds of [50, 10, 31]) {
      const isRight = (shade: number) => Math.abs(shade - seconds * 4) <= 6;
      const shade = await brightnessAt(page, seconds + 0.1, isRight);
      assert(isRight(shade), `${shade} at ${seconds} s`);
    }
  },
);

testInBrowser(
  "The page downloads a file byte by byte, under its name",
  async () => {
    await using at = host();
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const type = "application/octet-stream";
    at.state.contents.set("lonely.bin", { type, bytes });
    await using opened = await openPage(at.url);
    const { page } = opened;
    await page.click("text=lonely.bin");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.click("dialog a:has-text('Download')"),
    ]);
    assertEquals(download.suggestedFilename(), "lonely.bin");
    assertEquals(await Deno.readFile((await download.path())!), bytes);
  },
);

testInBrowser(
  "The page draws transfers as they run, and says why one failed",
  async () => {
    let look = 0;
    await using at = host({
      transfers: () => ({
        nowMs: 1_000 * ++look,
        transfers: [
          transfer("README.md", { state: "failed", error: "nas: it is away" }),
          transfer("film.webm", { id: 2, sent: 100_000 * look }),
        ],
      }),
    });
    await using opened = await openPage(at.url);
    const { page, errors } = opened;
    await page.click("nav.tabs a[href='#transfers']");
    await until(
      page,
      'document.querySelector("#rate").innerText === "100 KB/s"',
    );
    const line = await page.getAttribute("#rate-plot .line", "d");
    assertMatch(line!, /^M[\d.]+ 0\.0(L[\d.]+ 0\.0)*$/);
    assertEquals(await page.textContent("#transfer-count"), "1");
    const [running, failed] = (await textsOf(page, "#transfer-list li"))
      .map((text) => text.replaceAll(/\s+/g, " "));
    assertMatch(running!, /^film\.webm 100 KB\/s \d00 KB of 1\.0 MB from nas$/);
    assertEquals(
      failed,
      "README.md failed 250 KB of 1.0 MB from nas nas: it is away",
    );
    assertEquals(errors, []);
  },
);

testInBrowser(
  "The page shows the path to each node, its files, when it was last seen, and why it was not reached",
  async () => {
    const error = "Cannot dial node (192.0.2.9:1500): timed out";
    await using at = host({
      nodes: [
        node("nas"),
        node("laptop", { path: "tunnel" }),
        node("old", { path: "none", lastSeenMs: 0, error }),
      ],
    });
    await using opened = await openPage(`${at.url}#nodes`);
    await opened.page.waitForSelector("#node-list code");
    assertEquals(
      (await textsOf(opened.page, "#node-list li")).map((text) =>
        text.replaceAll(/\s+/g, " ")
          .replace(/seen \d+ seconds ago/, "seen now")
      ),
      [
        "nas nasqqqqq direct 2 files seen now 192.0.2.7:1500",
        "laptop laptopqq through the relay 2 files seen now 192.0.2.7:1500",
        `old oldqqqqq not reached 2 files never seen 192.0.2.7:1500 ${error}`,
      ],
    );
  },
);

testInBrowser(
  "A link in the address shows name and size, and only the button opens it",
  async () => {
    await using at = host({ posts: LINK_POSTS });
    await using opened = await openPage(`${at.url}link#p2p://nas:1700/x/y/z`);
    const { page, errors } = opened;
    await page.waitForSelector("#file:not([hidden])");
    assertEquals(
      await textsOf(page, "#file-name, #file-size"),
      ["photos/beach.svg", "4.2 MB"],
    );
    const posts = () => at.asked.filter((line) => line.startsWith("POST"));
    assertEquals(posts(), ["POST /api/link/look"]);
    assertEquals(at.asked.some((line) => line.includes("nas:1700")), false);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.keyboard.press("Enter"),
    ]);
    assertEquals(
      await Deno.readTextFile((await download.path())!),
      "of p2p://nas:1700/x/y/z",
    );
    assertEquals(posts(), ["POST /api/link/look", "POST /api/link/open"]);
    await page.goto(`${at.url}link#p2p://nas:1700/cut`);
    await page.waitForSelector("#problem:not([hidden])");
    assertEquals(
      await page.textContent("#problem"),
      "Cannot use link: it is incomplete or was altered",
    );
    assertEquals(await page.isDisabled("#press"), true);
    assertEquals(errors, []);
  },
);

testInBrowser(
  "The page gives the address of a file, to copy and as a QR code",
  async () => {
    await using at = host({ posts: LINK_POSTS });
    await using opened = await openPage(at.url);
    const { page } = opened;
    await page.click("text=README.md");
    await page.click("dialog button:has-text('Link')");
    await page.waitForSelector(".qr");
    assertEquals(
      await page.inputValue(".copy input >> nth=0"),
      `${at.url}files/README.md`,
    );
    assertEquals(
      await page.getAttribute(".qr path", "d"),
      "M4 4h1v1h-1zM6 4h1v1h-1zM5 5h1v1h-1zM4 6h2v1h-2z",
    );
  },
);

testInBrowser("Chromium ends after the tests of previews", closeBrowser);
