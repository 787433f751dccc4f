/**
 * A real Chromium at a real gateway with a token: the form for the token, and a
 * link that a person without it opens.
 */

import { assertEquals } from "@std/assert";
import { tokenOf } from "../../lib/access/token.ts";
import { makeLink } from "../../lib/client/link.ts";
import { closeBrowser, openPage, testInBrowser } from "../gateway/_browser.ts";
import { startGateway } from "../gateway/_gateway.ts";

const TOKEN = "correct horse battery";

testInBrowser(
  "A browser at a gateway with a token logs in by its form, and opens a link without it",
  async () => {
    const secret = new Uint8Array(32).fill(7);
    await using gateway = await startGateway(
      { nas: { "a.txt": "seven b" } },
      { token: TOKEN, secret },
    );
    const access = { token: tokenOf(secret, "client") };
    const { relay } = gateway;
    const link = await makeLink({ relay, access, name: "a.txt", uses: 1 });
    const { url } = gateway.server;
    const address = `${url}link#${link.text},size=${link.size}`;
    {
      await using preview = await openPage(address);
      await preview.page.waitForSelector("#file:not([hidden])");
    }
    {
      await using opened = await openPage(address);
      const { page } = opened;
      await page.waitForSelector("#file:not([hidden])");
      assertEquals(await page.textContent("#file-name"), "a.txt");
      assertEquals(await page.textContent("#file-size"), "7 bytes");
      const coming = page.waitForEvent("download");
      await page.dblclick("#press"); // as people do
      const download = await coming;
      assertEquals(download.suggestedFilename(), "a.txt");
      const saved = await Deno.readTextFile((await download.path())!);
      assertEquals(saved, "seven b");
    }
    {
      // The one use is spent: by the press, and not by two looks.
      await using late = await openPage(address);
      await late.page.click("#press");
      await late.page.waitForSelector("text=no uses left");
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
