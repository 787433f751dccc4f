/**
 * Takes the pictures of the gateway's page in the documents, in a real
 * Chromium: `deno task screenshots`.
 */

import { join } from "@std/path";
import { ROOT } from "../_rooms.ts";
import { closeBrowser, openPage, type PageOptions, until } from "./_browser.ts";
import { makeFilm } from "./_film.ts";
import { type ApiFile, startPageHost } from "./_page_host.ts";

const NAMES = [
  ["documents/Lease, Müllerstraße 12.pdf", 1_320_000],
  ["documents/Tax/2024 return.pdf", 482_000],
  ["documents/Tax/2025 return.pdf", 511_000],
  ["films/Harbour at night.webm", 684_000_000],
  ["films/Summer 2025/Lake.mp4", 1_240_000_000],
  ["films/Summer 2025/Train.mp4", 918_000_000],
  ["music/Bach/Goldberg 01.flac", 18_400_000],
  ["music/Bach/Goldberg 02.flac", 9_700_000],
  ["music/field recording.wav", 88_000_000],
  ["photos/2025/winter.png", 6_100_000],
  ["photos/2026/IMG_0009.jpg", 4_400_000],
  ["photos/2026/IMG_0010.jpg", 4_700_000],
  ["backup-2026-09.tar.zst", 21_700_000_000],
  ["debian-12.iso", 661_000_000],
  ["house plan.svg", 182_000],
  ["notes.md", 2_300],
  ["thesis-final.pdf", 5_200_000],
] as const;

const FILES: ApiFile[] = NAMES.map(([name, size], index) => {
  const on = index % 4 === 0 ? [0] : index % 3 === 0 ? [0, 2] : [0, 1];
  const flags = on.length === 1 ? 1 : name === "notes.md" ? 2 : 0;
  const time = Date.UTC(2026, 9, 1 - index * 6, 9 + index % 9, index * 7 % 60);
  return [name, size, time, on, flags];
});

const NODES = ["nas", "laptop", "old-desktop"].map((name, index) => ({
  ...{ id: name.padEnd(52, "q"), name, host: `192.0.2.${7 + index}` },
  ...{ port: 1500, path: "direct" as const, files: 12, lastSeenMs: Date.now() },
}));

// A harbour: dark water, lamps, and what the water makes of them.
const HARBOUR = `
  const sky = c.createLinearGradient(0, 0, 0, 540);
  sky.addColorStop(0, "#0b1830"); sky.addColorStop(0.6, "#2b3f6b");
  sky.addColorStop(1, "#0a1424");
  c.fillStyle = sky; c.fillRect(0, 0, 960, 540);
  c.fillStyle = "#f5ead0"; c.beginPath(); c.arc(720, 110, 34, 0, 7); c.fill();
  c.fillStyle = "#081020"; c.fillRect(0, 290, 960, 20);
  for (let k = 0; k < 12; k++) {
    const x = 40 + k * 80;
    c.fillStyle = "#081020"; c.fillRect(x, 250 - k * 37 % 60, 46, 60);
    c.fillStyle = "#ffcf7a"; c.beginPath(); c.arc(x + 20, 290, 4, 0, 7); c.fill();
    for (let y = 312; y < 520; y += 9) {
      c.globalAlpha = 0.6 - (y - 312) / 400;
      c.fillRect(x + 14 + 6 * Math.sin(y + n + k), y, 14, 3);
    }
    c.globalAlpha = 1;
  }`;

async function take(): Promise<void> {
  let look = 0;
  await using studio = await openPage("about:blank");
  const bytes = await makeFilm(studio.page, {
    ...{ width: 960, height: 540, frames: 30, framesPerSecond: 1 },
    draw: HARBOUR,
  });
  const contents = new Map([
    ["films/Harbour at night.webm", { type: "video/webm", bytes }],
  ]);
  await using host = startPageHost({
    ...{ files: FILES, nodes: NODES, contents },
    transfers: () => ({ nowMs: 5_000 * ++look, transfers: transfers(look) }),
  });
  const shoot = async (
    name: string,
    options: PageOptions,
    prepare: (opened: Awaited<ReturnType<typeof openPage>>) => Promise<void>,
  ) => {
    await using opened = await openPage(host.url, options);
    await opened.page.waitForSelector(".row");
    await prepare(opened);
    await opened.page.mouse.move(0, 0);
    const path = join(ROOT, "docs", `gateway-${name}.png`);
    await opened.page.screenshot({ path });
  };
  const desk = { width: 1200, height: 750 };
  await shoot("list", desk, async () => {});
  await shoot("dark", { ...desk, colorScheme: "dark" }, async () => {});
  await shoot("phone", { width: 390, height: 780 }, async () => {});
  await shoot("search", desk, async ({ page }) => {
    await page.fill("#q", "2025");
    await page.waitForSelector('.list[data-view="2025"]');
  });
  await shoot("film", { width: 960, height: 640 }, async ({ page }) => {
    await page.fill("#q", "harbour");
    await page.waitForSelector('.list[data-view="harbour"]');
    await page.keyboard.press("Enter");
    await page.waitForSelector("video");
    await page.evaluate(`new Promise((done) => {
      const film = document.querySelector("video");
      film.onseeked = done;
      film.currentTime = 12;
    })`);
  });
  await shoot("transfers", desk, async ({ page }) => {
    await page.click("nav.tabs a[href='#transfers']");
    const from = 'document.querySelector("#rate-from").textContent';
    await until(page, `${from}.startsWith("7") || ${from}.startsWith("8")`);
  });
}

/** Transfers at the time of a look. */
function transfers(look: number) {
  const film = 60e6 * look + 14e6 * Math.sin(look / 2);
  const image = 20e6 * look + 4e6 * Math.cos(look / 3);
  const all = { first: 0, state: "running", nodes: ["nas", "laptop"] };
  return [
    {
      ...{ ...all, id: 1, name: "thesis-final.pdf", size: 5_200_000 },
      ...{ last: 5_199_999, sent: 5_200_000, state: "done" },
    },
    {
      ...{ ...all, id: 2, name: "debian-12.iso", size: 1_661_000_000 },
      ...{ last: 1_660_999_999, sent: Math.max(0, image), nodes: ["nas"] },
    },
    {
      ...{ ...all, id: 3, name: "films/Harbour at night.webm" },
      ...{ size: 4_684_000_000, last: 4_683_999_999, sent: Math.max(0, film) },
    },
  ];
}

if (import.meta.main) {
  try {
    await take();
  } finally {
    await closeBrowser();
  }
}
