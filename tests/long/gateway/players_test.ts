/**
 * Players at a gateway: they read the index at the end of a film, and seek. The
 * film is made by ffmpeg, and what they decode is compared with the same from
 * the disk.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { startGateway, type TestGateway } from "../../gateway/_gateway.ts";

/** Runs a program to its end; its stdout. */
async function run(command: string, args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
  }).output();
  assertEquals(code, 0, `${command}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

/** A film of a minute, whose index is at its end. */
async function makeFilm(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const source = "testsrc2=duration=60:size=320x180:rate=10";
  await run("ffmpeg", [
    ...["-v", "error", "-f", "lavfi", "-i", source],
    ...["-c:v", "mpeg4", "-b:v", "400k", "-g", "20", path],
  ]);
  return await Deno.readFile(path);
}

function playerTest(
  tools: readonly string[],
  what: string,
  fn: (gateway: TestGateway, urls: readonly string[]) => Promise<void>,
): void {
  testWith(["ffmpeg", ...tools], what, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "film.mp4");
    const film = await makeFilm(path);
    await using gateway = await startGateway({ nas: { "my film.mp4": film } });
    await fn(gateway, [`${gateway.server.url}files/my%20film.mp4`, path]);
  });
}

playerTest(
  ["ffprobe"],
  "ffprobe reads the index at the end of a film, and reports the same as for the file",
  async ({ log }, urls) => {
    const [reported, expected] = await Promise.all(
      urls.map((url) =>
        run("ffprobe", [
          ...["-v", "error", "-of", "csv=p=0", url, "-show_entries"],
          "format=duration,size:stream=codec_name,nb_frames",
        ])
      ),
    );
    assertEquals(reported, expected);
    assertMatch(new TextDecoder().decode(reported), /mpeg4,600\n60\.0+,\d+/);
    assertEquals(
      log.events.some(({ event }) => event === "gateway_error"),
      false,
    );
  },
);

playerTest(
  [],
  "ffmpeg -ss 45 seeks in a film, and decodes the frame that is there",
  async (_gateway, urls) => {
    const [frame, expected] = await Promise.all(
      urls.map((url) =>
        run("ffmpeg", [
          ...["-v", "error", "-ss", "45", "-i", url],
          ...["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        ])
      ),
    );
    assertEquals(frame!.length, 320 * 180);
    assertEquals(frame, expected);
  },
);
