/**
 * A real Chromium at a real gateway with a token: the form for the token, and a
 * link that a person without it opens.
 */

import { assertEquals } from "@std/assert";
import { makeLink } from "../../lib/client/link.ts";
import { closeBrowser, openPage, testInBrowser } from "../gateway/_browser.ts";
import { startGateway } from "../gateway/_gateway.ts";

const TOKEN = "correct horse battery";

testInBrowser(
  "A browser at a gateway with a token logs in by its form, and opens a link without it",
  async () => {
    await using gateway = await startGateway(
      { nas: { "a.txt": "seven b" } },
      { token: TOKEN },
    );
    const link = await makeLink({ relay: gateway.relay, name: "a.txt" });
    const { url } = gateway.server;
    {
      await using opened = await openPage(`${url}link#${link.text}`);
      const { page } = opened;
      await page.waitForSelector("#file:not([hidden])");
      assertEquals(await page.textContent("#file-name"), "a.txt");
      assertEquals(await page.textContent("#file-size"), "7 bytes");
      const coming = page.waitForEvent("download");
      await page.click("#press");
      const download = await coming;
      assertEquals(download.suggestedFilename(), "a.txt");
      const saved = await Deno.readTextFile((await download.path())!);
      assertEquals(saved, "seven b");
    }
    await using opened = await openPage(url);
    const { page } = opened;
    await page.fill("#token", TOKEN);
    await page.click("button");
    await page.waitForSelector(".row");
    assertEquals(await page.textContent(".row .words"), "a.txt");
  },
);

Deno.test.afterAll(closeBrowser);
