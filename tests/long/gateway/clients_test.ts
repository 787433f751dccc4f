/**
 * The gateway as other programs use it, each by its own name.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "@std/path";
import { randomBytes, seededRandom } from "../../_random.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { WebClient } from "../../http/_web_client.ts";
import { startGateway, type TestGateway } from "../../gateway/_gateway.ts";

const FILM = randomBytes(3 * 1024 * 1024 + 77, seededRandom(43));
const NAME = "films/My film, 100% (ü).mkv";
const SHARES = { alpha: { [NAME]: FILM, "letter.txt": "Dear reader\n" } };
const PATH = "files/films/My%20film%2C%20100%25%20(%C3%BC).mkv";

/** Runs a program to its end; its stdout. */
async function run(
  command: string,
  args: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env: { RCLONE_CONFIG: "/dev/null", HOME: Deno.env.get("HOME") ?? "/" },
  }).output();
  assertEquals(code, 0, `${command}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

function assertFilm(bytes: Uint8Array): void {
  assertEquals(bytes.length, FILM.length);
  assertEquals(Buffer.from(FILM).equals(bytes), true);
}

function clientTest(
  tool: string,
  what: string,
  fn: (gateway: TestGateway, folder: string) => Promise<void>,
): void {
  testWith([tool], what, async () => {
    await using gateway = await startGateway(SHARES);
    await using folder = await tempShare();
    await fn(gateway, folder.path);
  });
}

clientTest(
  "curl",
  "curl -C - continues an interrupted download",
  async ({ server }, folder) => {
    const path = join(folder, "film.mkv");
    await Deno.writeFile(path, FILM.subarray(0, 1_000_001));
    await run("curl", ["-sf", "-C", "-", "-o", path, server.url + PATH]);
    assertFilm(await Deno.readFile(path));
  },
);

clientTest(
  "wget",
  "wget -c continues a download, and accepts a complete one",
  async ({ server }, folder) => {
    const path = join(folder, "film.mkv");
    await Deno.writeFile(path, FILM.subarray(0, 1_000_001));
    for (const _ of [1, 2]) {
      await run("wget", ["-q", "-c", "-O", path, server.url + PATH]);
      assertFilm(await Deno.readFile(path));
    }
  },
);

clientTest(
  "aria2c",
  "aria2c -x8 fetches parts at once",
  async ({ server }, folder) => {
    await run("aria2c", [
      ...["-q", "-x8", "-s8", "-k1M", "--no-conf", "-d", folder],
      ...["-o", "film.mkv", server.url + PATH],
    ]);
    assertFilm(await Deno.readFile(join(folder, "film.mkv")));
  },
);

for (
  const [kind, path] of [["http", "files/"], ["webdav", "dav/"]] as const
) {
  clientTest(
    "rclone",
    `rclone lists, copies and reads over ${kind}`,
    async ({ server }, folder) => {
      const remote = `:${kind},url='${server.url}${path}':`;
      const list = await run("rclone", ["lsl", remote]);
      const text = new TextDecoder().decode(list);
      assertMatch(text, /3145805 .*films\/My film, 100% \(ü\)\.mkv/);
      assertMatch(text, / 12 .*letter\.txt/);
      await run("rclone", ["copy", `${remote}films`, folder]);
      assertFilm(await Deno.readFile(join(folder, "My film, 100% (ü).mkv")));
      const args = ["--offset", "1000", "--count", "50"];
      const part = await run("rclone", ["cat", ...args, remote + NAME]);
      assertEquals(part, FILM.slice(1_000, 1_050));
    },
  );
}

// Recorded from `ffprobe` 5.1 and `mpv --start=45` 0.35: each opens a connection
// for a seek, and leaves the one before in the middle of its answer.
for (const program of ["ffprobe", "mpv"]) {
  Deno.test(`${program} reads the start of a film, its index at the end, and a part in the middle`, async () => {
    await using gateway = await startGateway(SHARES);
    using start = await WebClient.to(gateway.server.address);
    const line = `GET /${PATH} HTTP/1.1\r\nHost: 127.0.0.1`;
    await start.send(`${line}\r\nRange: bytes=0-\r\n\r\n`);
    const head = new TextDecoder("latin1").decode(await start.take(500));
    assertMatch(head, /^HTTP\/1\.1 206 Partial Content\r\n/);
    assertMatch(head, /\r\nAccept-Ranges: bytes\r\n/);
    const { length } = FILM;
    const firsts = program === "mpv"
      ? [length - 23_337, 1_011_491]
      : [length - 23_337, 48];
    for (const first of firsts) {
      const range = `bytes=${first}-`;
      const answer = await gateway.ask(`GET /${PATH}`, { Range: range });
      assertEquals(answer.status, 206);
      assertEquals(
        answer.fields.get("content-range"),
        `bytes ${first}-${length - 1}/${length}`,
      );
      assertEquals(Buffer.from(answer.body).equals(FILM.subarray(first)), true);
    }
  });
}
