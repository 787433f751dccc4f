/**
 * `--list-skipped`: a node as a process, in a folder with everything that is not
 * shared.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { type RoleProcess, spawnRole } from "./_processes.ts";

const DEEPEST = Array.from({ length: 31 }, (_, n) => `${n + 1}`).join("/");

// Names as bytes, which no string of this program could hold.
const SCRIPT = String.raw`
  cd "$1"
  ln -s good link
  ln -s . loop
  mkfifo pipe
  mkdir -p ${DEEPEST}/32/33/34
  : > ${DEEPEST}/kept
  : > ${DEEPEST}/32/lost
  : > ${DEEPEST}/32/33/34/lost
  : > "$(printf 'bad\377')"
  : > "$(printf 'clear\033[2J')"
  mkdir 'C:'
  : > 'C:/x'
`;

const SKIPPED = [
  [`${DEEPEST}/32`, "deep", "a name must have at most 32 parts"],
  ["C:", "name", 'a name must not hold ":"'],
  [
    "bad\ufffd",
    "name",
    "a name must be valid Unicode without private-use characters",
  ],
  ["clear\x1b[2J", "name", "a name must not hold control characters"],
  ["link", "link", "a symbolic link is not followed"],
  ["loop", "link", "a symbolic link is not followed"],
  ["pipe", "special", "a pipe, a socket or a device is not a file"],
] as const;
const COUNTS =
  "7 skipped: 2 links, 1 pipe, socket or device, 3 names that are not portable, 1 tree deeper than 32";

/** Makes a folder what a script makes of it. */
async function run(script: string, folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-ec", script, "bash", folder],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

function spawnNode(
  port: number,
  folder: string,
  options: readonly string[],
): RoleProcess {
  const words = ["--host", "127.0.0.1", "127.0.0.1", `${port}`, "0", folder];
  return spawnRole("peer_node.ts", [...options, ...words], {
    permissions: [`--allow-read=${folder}`],
  });
}

/** Its lines on stdout and stderr that speak of what is skipped, in order. */
async function skippedLines(node: RoleProcess): Promise<string[]> {
  await node.stdout.until(/^registered with /);
  return [...node.stderr.all, ...node.stdout.all]
    .filter((line) => /skipped/.test(line));
}

testWith(
  ["bash", "mkfifo"],
  "A node says how many entries it skips, and names each with its rule when asked",
  async () => {
    await using relay = await startRelay();
    await using folder = await tempShare({ "good": "here" });
    await run(SCRIPT, folder.path);
    const { port } = relay.server.address;

    await using plain = spawnNode(port, folder.path, []);
    await plain.stdout.until(/^sharing 2 files from /);
    await plain.stderr.until(/ skipped: /);
    assertEquals(await skippedLines(plain), [
      `${COUNTS}; name them with --list-skipped`,
    ]);

    await using listing = spawnNode(port, folder.path, ["--list-skipped"]);
    await listing.stderr.until(/ skipped: /);
    assertEquals(await skippedLines(listing), [
      COUNTS,
      ...SKIPPED.map(([name, , rule]) =>
        `skipped ${name.replace("\x1b", "\\x1b")}: ${rule}`
      ),
    ]);

    await using json = spawnNode(port, folder.path, [
      "--json",
      "--list-skipped",
    ]);
    await json.stdout.until(/"event":"registered"/);
    const events = json.stdout.all
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event.startsWith("skipped"));
    assertEquals(
      events,
      SKIPPED.map(([name, kind, rule]) => ({
        v: 1,
        event: "skipped",
        name,
        kind,
        rule,
      })),
    );
    assertEquals(json.stdout.all.filter((line) => line.includes("\x1b")), []);
  },
);

Deno.test(
  "A node names the skipped entries that it keeps, and says how many more there are",
  async () => {
    await using relay = await startRelay();
    await using folder = await tempShare({ "good": "here" });
    await Deno.mkdir(join(folder.path, "sub"));
    for (let n = 0; n < 1_002; n++) {
      await Deno.symlink("x", join(folder.path, "sub", `${n}`));
    }
    const { port } = relay.server.address;
    await using node = spawnNode(port, folder.path, ["--list-skipped"]);
    await node.stderr.until(/^1002 skipped: 1002 links$/);
    await node.stdout.until(
      /^skipped 2 more: a node keeps the names of 1000$/,
    );
    const named = node.stdout.all.filter((line) =>
      /^skipped sub\/\d+: a symbolic link is not followed$/.test(line)
    );
    assertEquals(new Set(named).size, 1_000);
  },
);
