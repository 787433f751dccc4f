/**
 * Somebody on this machine who may write to a folder swaps what is in it against
 * links, as fast as they can, while it is served, and while files are received
 * into it. Servers run with the permissions in the names of the tests; what
 * receives runs with all permissions, unless a test says otherwise.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { Failure } from "../../lib/base/errors.ts";
import { PARTIAL_SUFFIX } from "../../lib/base/names.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { everything, filesIn, get } from "../client/_outcomes.ts";
import { runRole } from "../e2e/_processes.ts";
import { startFlipping } from "./_flip.ts";
import {
  type ReaderCounts,
  SECRET_BYTE,
  SECRET_NAME,
} from "./_share_reader.ts";

const SECONDS = 2.5;
const READER = new URL("./_share_reader.ts", import.meta.url).pathname;
const LENGTH = 32;

/** Reads `name` of a share for a while, in a process with these permissions. */
async function readShare(
  path: string,
  name: string,
  permissions: readonly string[],
): Promise<ReaderCounts> {
  const reader = startReading(path, name, permissions);
  await reader.opened;
  return await reader.counts();
}

/** Starts to read; `opened` resolves once the share is open. */
function startReading(
  path: string,
  name: string,
  permissions: readonly string[],
) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", ...permissions, READER],
      ...[path, name, String(SECONDS)],
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  return {
    opened: lines.read(),
    counts: async (): Promise<ReaderCounts> => {
      const { value } = await lines.read();
      await lines.cancel();
      const { success } = await child.status;
      assert(success, await errors);
      await errors;
      return JSON.parse(value!);
    },
  };
}

/** A share with one file, and one outside that differs in nothing but its bytes. */
async function twoFiles() {
  const files = {
    "share/sub/f": new Uint8Array(LENGTH).fill(SECRET_BYTE + 1),
    "outside/f": new Uint8Array(LENGTH).fill(SECRET_BYTE),
    [`outside/${SECRET_NAME}`]: "",
  };
  const folder = await tempShare(files);
  const at = new Date("2020-02-02T02:02:02Z");
  for (const name of Object.keys(files)) {
    await Deno.utime(join(folder.path, name), at, at);
  }
  return folder;
}

for (
  const [words, permissions] of [
    ["all permissions", () => ["--allow-all"]],
    [
      "the README's permissions, --allow-read=DIR",
      (share: string) => ["--allow-net", `--allow-read=${share}`],
    ],
  ] as const
) {
  for (
    const [what, flipped, target] of [
      ["folder", "share/sub", "outside"],
      ["file", "share/sub/f", "outside/f"],
    ] as const
  ) {
    Deno.test(`Share, with ${words}, serves no byte from outside while a ${what} flips to a link and back`, async () => {
      await using folder = await twoFiles();
      const share = join(folder.path, "share");
      const flipper = await startFlipping(
        join(folder.path, flipped),
        join(folder.path, target),
      );
      let counts: ReaderCounts;
      try {
        counts = await readShare(share, "sub/f", permissions(share));
      } finally {
        await flipper[Symbol.asyncDispose]();
      }
      const reported = JSON.stringify(counts);
      assert(await flipper.flips > 1_000 && counts.read > 100, reported);
      assertEquals(counts.leaked, 0, reported);
    });
  }

  Deno.test(`Share, with ${words}, serves no byte from outside in place of a single file while its folder flips to a link and back`, async () => {
    await using folder = await twoFiles();
    const file = join(folder.path, "share/sub/f");
    const reader = startReading(file, "f", permissions(file));
    await reader.opened; // a link on the way before is its owner's
    const flipper = await startFlipping(
      join(folder.path, "share/sub"),
      join(folder.path, "outside"),
    );
    let counts: ReaderCounts;
    try {
      counts = await reader.counts();
    } finally {
      await flipper[Symbol.asyncDispose]();
    }
    const reported = JSON.stringify(counts);
    const { gone = 0, changed = 0 } = counts.refused;
    const tried = counts.read + counts.missing + gone + changed;
    assert(await flipper.flips > 1_000 && tried > 100, reported);
    assertEquals(counts.leaked, 0, reported);
  });

  Deno.test(`Share, with ${words}, lists no name from outside while a folder flips to a link and back`, async () => {
    await using folder = await twoFiles();
    const share = join(folder.path, "share");
    const flipper = await startFlipping(
      join(share, "sub"),
      join(folder.path, "outside"),
    );
    let counts: ReaderCounts;
    try {
      counts = await readShare(share, "sub/f", permissions(share));
    } finally {
      await flipper[Symbol.asyncDispose]();
    }
    assertEquals(counts.listed, 0, JSON.stringify(counts));
  });
}

const FILES = {
  "sub/small": randomBytes(3_000, seededRandom(1)),
  "sub/large": randomBytes(600_000, seededRandom(2)),
};

/** A folder to receive into, and one that nothing may be written to. */
function twoFolders() {
  return tempShare({
    "out/sub/kept": "kept",
    "outside/small": "precious",
    "outside/large": "precious too",
  });
}

/**
 * All that is outside: names, sizes and contents. Not what is empty: where paths
 * are all that a program has, it finds out only once it has made a file that it
 * was made elsewhere.
 */
function outsideOf({ path }: { path: string }): string[] {
  const outside = join(path, "outside");
  return filesIn(outside).flatMap((name) => {
    const bytes = Deno.readFileSync(join(outside, name));
    const isEmptyPartial = bytes.length === 0 && name.endsWith(PARTIAL_SUFFIX);
    return isEmptyPartial
      ? []
      : [`${name}: ${bytes.length} bytes, ${bytes.subarray(0, 16).toHex()}`];
  });
}

Deno.test("getFiles writes nothing through a link that has the name of a partial file", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, FILES);
  await node.log.until("hashed");
  await using folder = await twoFolders();
  const out = join(folder.path, "out");
  const before = outsideOf(folder);
  for (const name of Object.keys(FILES)) {
    const precious = join(folder.path, "outside", name.slice(4));
    await Deno.symlink(precious, partialPathOf(join(out, name)));
  }
  const { failed, saved, error } = await get(relay, out, [everything("sub/")]);
  assertEquals([saved, failed], [{}, {}]);
  assert(error instanceof Failure && error.kind === "local", String(error));
  assertEquals(outsideOf(folder), before);
});

for (const overwrite of [false, true]) {
  Deno.test(`getFiles ${overwrite ? "replaces a link that is in the way, with --overwrite, and does not follow it" : "refuses if a link is in the way"}`, async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, FILES);
    await node.log.until("hashed");
    await using folder = await twoFolders();
    const out = join(folder.path, "out");
    const before = outsideOf(folder);
    for (const name of Object.keys(FILES)) {
      const precious = join(folder.path, "outside", name.slice(4));
      await Deno.symlink(precious, join(out, name));
    }
    const { failed } = await get(relay, out, [everything("sub/")], {
      overwrite,
    });
    assertEquals(
      failed,
      overwrite ? {} : { "sub/large": "local", "sub/small": "local" },
    );
    assertEquals(outsideOf(folder), before);
    for (const [name, bytes] of Object.entries(FILES)) {
      const { isSymlink } = await Deno.lstat(join(out, name));
      assertEquals(isSymlink, !overwrite);
      if (overwrite) assertEquals(await Deno.readFile(join(out, name)), bytes);
    }
  });
}

Deno.test("peer_client.ts, with the README's permissions, writes nothing through a link in its target", async () => {
  await using relay = await startRelay();
  await using node = await startNode(relay, FILES);
  await node.log.until("hashed");
  await using folder = await twoFolders();
  const out = join(folder.path, "out");
  const before = outsideOf(folder);
  await Deno.remove(join(out, "sub"), { recursive: true });
  await Deno.symlink("../outside", join(out, "sub"));
  const { code, stderr } = await runRole("peer_client.ts", [
    ...["--quiet", "--overwrite", relay.server.relayAddress, "get", "sub/"],
    ...["-o", `${out}/`],
  ], { permissions: [`--allow-read=${out}`, `--allow-write=${out}`] });
  assertEquals(outsideOf(folder), before, "nothing was written");
  assertEquals(code, 8, stderr.join("\n"));
});
