/**
 * A real Chromium at a real gateway, over a relay and two nodes: search, text,
 * a seek in a film, a download, transfers, nodes, and a node that is away.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { randomBytes, seededRandom } from "../_random.ts";
import {
  closeBrowser,
  closePreview,
  openPage,
  testInBrowser,
  textsOf,
  until,
} from "../gateway/_browser.ts";
import { brightnessAt, makeFilm } from "../gateway/_film.ts";
import { startGateway } from "../gateway/_gateway.ts";

function nasFiles(film: Uint8Array) {
  const notes = { "notes/reading list.md": "# Müller\n" };
  return { "films/harbour.webm": film, ...notes };
}

type Page = Awaited<ReturnType<typeof openPage>>["page"];

/** Searches for a file, and opens it. */
async function openFound(page: Page, word: string): Promise<void> {
  await page.fill("#q", word);
  await page.waitForSelector(`.list[data-view="${word}"]`);
  await page.keyboard.press("Enter");
}

testInBrowser(
  "A browser at a gateway searches, reads, seeks in a film, downloads, and learns what fails",
  async () => {
    await using studio = await openPage("about:blank");
    const film = await makeFilm(studio.page, {
      ...{ width: 320, height: 180, frames: 60, framesPerSecond: 1 },
      draw: `c.fillStyle = \`rgb(\${n * 4} \${n * 4} \${n * 4})\`;
      c.fillRect(0, 0, 320, 180);`,
    });
    const archive = randomBytes(3_000_000, seededRandom(7));
    await using gateway = await startGateway({
      nas: { ...nasFiles(film), "backup.bin": archive },
      laptop: { "backup.bin": archive, "<b>.txt": "x" },
    });
    const { host, port } = gateway.server.address;
    await using opened = await openPage(`http://${host}:${port}/`);
    const { page, errors } = opened;
    await page.waitForSelector(".row");
    assertEquals(await textsOf(page, ".row .words"), [
      ...["films/", "notes/", "<b>.txt", "backup.bin"],
    ]);

    await openFound(page, "reading");
    await page.waitForSelector("dialog pre");
    assertEquals(await page.textContent("dialog pre"), "# Müller\n");
    await closePreview(page);

    await openFound(page, "harbour");
    await until(page, 'document.querySelector("video")?.duration === 60');
    const isRight = (shade: number) => Math.abs(shade - 42 * 4) <= 6;
    const shade = await brightnessAt(page, 42.5, isRight);
    assert(isRight(shade), `${shade}`);
    await closePreview(page);

    await openFound(page, "backup");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.click("dialog a:has-text('Download')"),
    ]);
    assertEquals(download.suggestedFilename(), "backup.bin");
    const saved = await Deno.readFile((await download.path())!);
    assert(saved.length === archive.length && isSame(saved, archive));
    await closePreview(page);

    await page.click("nav.tabs a[href='#nodes']");
    await page.waitForSelector("#node-list code");
    assertEquals((await textsOf(page, "#node-list h3")).length, 2);
    assertMatch(await page.innerText("#node-list"), /nas[^]*direct[^]*3 files/);
    await page.click("nav.tabs a[href='#transfers']");
    await page.waitForSelector("#transfer-list li:has-text('backup.bin')");
    const done = await page.innerText(
      "#transfer-list li:has-text('backup.bin')",
    );
    assertMatch(done, /done\s+3\.0 MB of 3\.0 MB/);

    await page.goto(`http://${host}:${port}/files/none.txt`);
    assertMatch(await page.innerText("[role=alert]"), /none\.txt/);
    assertEquals(errors, []);
  },
);

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, index) => byte === b[index]);
}

testInBrowser("Chromium ends after the test of a gateway", closeBrowser);
