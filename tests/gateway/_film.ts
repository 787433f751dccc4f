/**
 * A film that needs no encoder: Chromium draws pictures and packs each as WebP,
 * whose inside is a key frame of VP8, and this joins them to a WebM. Each frame
 * can be sought.
 */

import type { Page } from "playwright-core";

/** How a film looks: the text of a script that draws frame `n` on `c`. */
export interface FilmOptions {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly framesPerSecond: number;
  /** A script: draws frame number `n` of `frames` on the context `c`. */
  readonly draw: string;
  readonly quality?: number;
}

/** Draws a film in a page and packs it. */
export async function makeFilm(
  page: Page,
  options: FilmOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { width, height, frames, draw, quality = 0.8 } = options;
  // A text, because the types of the page are not those of this program.
  const script = `(async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [${width}, ${height}];
    const c = canvas.getContext("2d");
    const frames = ${frames};
    const made = [];
    for (let n = 0; n < frames; n++) {
      ${draw};
      const url = canvas.toDataURL("image/webp", ${quality});
      made.push(url.slice(url.indexOf(",") + 1));
    }
    return made;
  })()`;
  const pictures = await page.evaluate(script) as string[];
  return joinFrames(
    pictures.map((text) => frameIn(Uint8Array.fromBase64(text))),
    options,
  );
}

/**
 * Seeks in the film of a page, waits until the frame that it shows is as bright
 * as wanted, and says how bright it is, 0 to 255; after a minute, how bright the
 * frame is that it shows then. Chromium reports a seek some time before it
 * draws the frame.
 */
export async function brightnessAt(
  page: Page,
  seconds: number,
  wanted: (brightness: number) => boolean,
): Promise<number> {
  await page.evaluate(`(async () => {
    const film = document.querySelector("video");
    const sought = new Promise((done) => film.onseeked = done);
    film.currentTime = ${seconds};
    await sought;
  })()`);
  for (let looks = 1;; looks++) {
    const brightness = await page.evaluate(`(() => {
      const c = new OffscreenCanvas(1, 1).getContext("2d");
      c.drawImage(document.querySelector("video"), 0, 0, 1, 1);
      return c.getImageData(0, 0, 1, 1).data[1];
    })()`) as number;
    if (wanted(brightness) || looks === 600) return brightness;
    await page.waitForTimeout(100);
  }
}

/** The frame of VP8 in a WebP: the content of its chunk `VP8 `. */
function frameIn(webp: Uint8Array): Uint8Array {
  const view = new DataView(webp.buffer, webp.byteOffset);
  for (let at = 12; at < webp.length;) {
    const name = String.fromCharCode(...webp.subarray(at, at + 4));
    const size = view.getUint32(at + 4, true);
    if (name === "VP8 ") return webp.subarray(at + 8, at + 8 + size);
    at += 8 + size + size % 2;
  }
  throw new Error("Chromium made no lossy WebP");
}

function joinFrames(
  frames: readonly Uint8Array[],
  { width, height, framesPerSecond }: FilmOptions,
): Uint8Array<ArrayBuffer> {
  const msOf = (frame: number) => Math.round(frame * 1_000 / framesPerSecond);
  const clusters: { ms: number; bytes: Uint8Array }[] = [];
  for (let first = 0; first < frames.length; first += framesPerSecond) {
    const ms = msOf(first);
    const blocks = frames.slice(first, first + framesPerSecond).map(
      (frame, index) => {
        const at = msOf(first + index) - ms;
        // Track 1, time, key frame.
        const head = [0x81, at >> 8, at & 0xff, 0x80];
        return element(0xa3, [Uint8Array.from(head), frame]);
      },
    );
    const bytes = element(0x1f43b675, [number(0xe7, ms), ...blocks]);
    clusters.push({ ms, bytes });
  }
  const info = element(0x1549a966, [
    number(0x2ad7b1, 1_000_000),
    float(0x4489, msOf(frames.length)),
    text(0x4d80, "test"),
    text(0x5741, "test"),
  ]);
  const track = element(0xae, [
    ...[number(0xd7, 1), number(0x73c5, 1), number(0x83, 1)],
    text(0x86, "V_VP8"),
    element(0xe0, [number(0xb0, width), number(0xba, height)]),
  ]);
  const tracks = element(0x1654ae6b, [track]);
  const cuesOf = (start: number) => {
    let at = start;
    return element(
      0x1c53bb6b,
      clusters.map(({ ms, bytes }) => {
        const place = element(0xb7, [number(0xf7, 1), number(0xf1, at)]);
        at += bytes.length;
        return element(0xbb, [number(0xb3, ms), place]);
      }),
    );
  };
  // Numbers have one width, so the place of the clusters is known before them.
  const before = info.length + tracks.length;
  const cues = cuesOf(before + cuesOf(0).length);
  const segment = element(0x18538067, [
    ...[info, tracks, cues],
    ...clusters.map(({ bytes }) => bytes),
  ]);
  const head = element(0x1a45dfa3, [
    ...[number(0x4286, 1), number(0x42f7, 1), number(0x42f2, 4)],
    ...[number(0x42f3, 8), text(0x4282, "webm"), number(0x4287, 4)],
    number(0x4285, 2),
  ]);
  return joined([head, segment]);
}

function element(id: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = joined(parts);
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(content.length));
  size[0]! |= 0x01;
  return joined([idOf(id), size, content]);
}

function idOf(id: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = id; rest > 0; rest = Math.floor(rest / 256)) {
    bytes.unshift(rest % 256);
  }
  return Uint8Array.from(bytes);
}

function number(id: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return element(id, [bytes]);
}

function float(id: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return element(id, [bytes]);
}

function text(id: number, value: string): Uint8Array {
  return element(id, [new TextEncoder().encode(value)]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
