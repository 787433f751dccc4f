import { assertEquals, assertExists, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { OpenedFile } from "../../lib/share/opened_file.ts";
import { Share } from "../../lib/share/share.ts";
import { within } from "../_event_log.ts";
import { type TempFolder, tempShare } from "../_temp_share.ts";

const limits = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };

const NONE_SKIPPED = {
  hidden: 0,
  excluded: 0,
  rules: 0,
  link: 0,
  special: 0,
  name: 0,
  deep: 0,
  clash: 0,
  unreadable: 0,
  secret: 0,
  large: 0,
  excess: 0,
};

async function readAll(opened: OpenedFile): Promise<string> {
  const buffer = new Uint8Array(1024);
  let text = "";
  for (let position = 0;;) {
    const count = await opened.read(buffer, position);
    if (count === 0) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
    position += count;
  }
}

/** Content of a file of the share, by the name a client asks for. */
async function contentOf(
  share: Share,
  name: string,
): Promise<string | undefined> {
  const file = await share.find(name);
  if (file === undefined) return undefined;
  const outcome = share.open(file);
  if (outcome.kind === "refused") return `refused: ${outcome.reason}`;
  using opened = outcome.opened;
  return await readAll(opened);
}

Deno.test("Share finds files in sub-folders by their names", async () => {
  await using folder = await tempShare({
    "1.txt": "one",
    "photos/2024/a.jpg": "picture",
    "empty": "",
  });
  const share = await Share.open(folder.path, limits);
  assertEquals(share.fileCount, 3);
  assertEquals(share.skipped, NONE_SKIPPED);
  assertEquals(await contentOf(share, "1.txt"), "one");
  assertEquals(await contentOf(share, "photos/2024/a.jpg"), "picture");
  assertEquals(await contentOf(share, "empty"), "");
  assertEquals((await share.find("1.txt"))?.size, 3);
  assertEquals(await share.find("a.jpg"), undefined);
  assertEquals(await share.find("photos"), undefined);
});

for (
  const name of [
    "../secret",
    "sub/../../secret",
    "/etc/passwd",
    "./1.txt",
    "sub//1.txt",
    "",
    "..\\secret",
    "1.txt\0",
    "%2e%2e/secret",
    "a".repeat(5_000),
  ]
) {
  Deno.test(`Share finds nothing under ${JSON.stringify(name.slice(0, 30))}`, async () => {
    await using folder = await tempShare({
      "secret": "s",
      "share/1.txt": "one",
      "share/sub/1.txt": "x",
    });
    const share = await Share.open(join(folder.path, "share"), limits);
    assertEquals(await share.find(name), undefined);
    assertEquals(share.versioned(name), undefined);
  });
}

Deno.test("Share serves names in NFC for any spelling on the disk", async () => {
  await using folder = await tempShare({ "e\u0301.txt": "x" });
  const share = await Share.open(folder.path, limits);
  assertEquals((await share.find("\u00e9.txt"))?.name, "\u00e9.txt");
  assertEquals(await contentOf(share, "e\u0301.txt"), "x");
});

/** What a node meets in real folders, made with the system's own tools. */
async function oddShare(): Promise<TempFolder> {
  const folder = await tempShare({ "outside/secret": "s", "share/good": "g" });
  const script = `
    cd '${folder.path}/share'
    ln -s ../outside/secret file-link
    ln -s ../outside folder-link
    ln -s missing dangling
    ln -s loop loop
    mkfifo pipe
    : > "$(printf 'bad\\377')"
    : > "$(printf 'escape\\033[2J')"
    mkdir "$(printf 'dir\\376')"
    : > "$(printf 'dir\\376/x')"
    : > 'trailing.'
    : > 'C:drive'
    : > "$(printf 'e\\314\\201')"
    : > "$(printf '\\303\\251')"
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "sock", Listen => 1)'
  `;
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-ec", script],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return folder;
}

Deno.test({
  name: "Share skips and counts links, pipes, sockets, odd names and clashes",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using folder = await oddShare();
    const share = await Share.open(join(folder.path, "share"), limits);
    assertEquals(share.skipped, {
      ...NONE_SKIPPED,
      link: 4,
      special: 2,
      name: 5,
      clash: 1,
    });
    assertEquals(share.fileCount, 2);
    assertEquals(await contentOf(share, "good"), "g");
    for (
      const name of ["file-link", "folder-link/secret", "pipe", "sock", "loop"]
    ) {
      assertEquals(await share.find(name), undefined);
    }
  },
});

Deno.test("Share accepts files up to its limit, and counts the rest", async () => {
  await using folder = await tempShare({
    "1": "",
    "2": "",
    "3": "",
    "d/4": "",
  });
  const share = await Share.open(folder.path, { ...limits, shareFileCount: 2 });
  assertEquals(share.fileCount, 2);
  assertEquals(share.skipped.excess, 2);
});

Deno.test("Share skips a file larger than any that can be sent", async () => {
  await using folder = await tempShare({ "good": "" });
  using file = await Deno.create(join(folder.path, "huge"));
  await file.truncate(2 ** 40 + 1); // sparse: takes no room
  const share = await Share.open(folder.path, limits);
  assertEquals([share.fileCount, share.skipped.large], [1, 1]);
});

Deno.test("Share finds a later file at once by its name on the disk, and after a pause by another spelling", async () => {
  await using folder = await tempShare();
  const eager = await Share.open(folder.path, limits);
  const patient = await Share.open(folder.path, {
    ...LIMITS,
    rescanPauseMs: 60_000,
  });
  await Deno.mkdir(join(folder.path, "d"));
  await Deno.writeTextFile(join(folder.path, "d/late"), "x");
  await Deno.writeTextFile(join(folder.path, "late é".normalize("NFD")), "y");
  assertEquals(await contentOf(patient, "d/late"), "x");
  assertEquals(await contentOf(patient, "late é"), undefined);
  assertEquals(await contentOf(eager, "late é"), "y");
});

Deno.test("Share finds by name only what a scan finds", async () => {
  const token = `p2p-client-${"a2".repeat(20)}\n`;
  await using folder = await tempShare({
    "outside/f": "secret",
    "share/1.txt": "one",
  });
  const root = join(folder.path, "share");
  const share = await Share.open(root, { ...limits, shareFileCount: 2 });
  await Deno.symlink(join(folder.path, "outside"), join(root, "way"));
  await Deno.symlink("1.txt", join(root, "link"));
  await Deno.mkdir(join(root, "d"));
  for (
    const [name, text] of [["d/token", token], [
      "d/f.p2p-part",
      "half",
    ]] as const
  ) {
    await Deno.writeTextFile(join(root, name), text);
  }
  for (
    const name of [
      "way/f",
      "link",
      "d",
      "d/token",
      "d/f.p2p-part",
      "1.txt/f",
      "../outside/f",
      "d/../1.txt",
      "",
    ]
  ) assertEquals(await share.find(name), undefined, name);
  await Deno.writeTextFile(join(root, "d/2"), "two");
  await Deno.writeTextFile(join(root, "d/3"), "three");
  assertEquals(await contentOf(share, "d/2"), "two");
  assertEquals(await share.find("d/3"), undefined, "more than shareFileCount");
  assertEquals(share.fileCount, 2);
});

Deno.test("A large Share finds files by name during its first scan", async () => {
  await using folder = await tempShare({ "d/1": "one", "e/2": "two" });
  const { readDir } = Deno;
  const held = Promise.withResolvers<void>();
  Deno.readDir = async function* (path) {
    await held.promise;
    yield* readDir(path);
  };
  try {
    await using share = await Share.open(folder.path, LIMITS, {
      firstScanMs: 0,
    });
    assertEquals([share.isScanned, share.fileCount], [false, 0]);
    assertEquals(await contentOf(share, "e/2"), "two");
    assertEquals(await share.find("e/3"), undefined);
    assertEquals(await share.find("e/é"), undefined, "not after the scan");
    held.resolve();
    await within(share.scanned(), "the end of the scan");
    assertEquals([share.isScanned, share.fileCount], [true, 2]);
    assertEquals(await contentOf(share, "d/1"), "one");
  } finally {
    held.resolve();
    Deno.readDir = readDir;
  }
});

Deno.test("Share no longer finds a file that was removed", async () => {
  await using folder = await tempShare({ "1.txt": "one" });
  const share = await Share.open(folder.path, limits);
  const file = await share.find("1.txt");
  assertExists(file);
  await Deno.remove(join(folder.path, "1.txt"));
  const gone = { kind: "refused", reason: "gone" } as const;
  assertEquals(share.open(file), gone);
  assertEquals(share.readSmall(file), gone);
  assertEquals(await share.find("1.txt"), undefined);
  assertEquals(share.versioned(file.version), undefined);
});

for (
  const [how, alter] of [
    [
      "was written to",
      async (path: string) => await Deno.writeTextFile(path, "other"),
    ],
    ["was replaced", async (path: string) => {
      await Deno.writeTextFile(`${path}.new`, "one");
      await Deno.rename(`${path}.new`, path);
    }],
    ["was cut", async (path: string) => await Deno.truncate(path, 1)],
    ["became a link", async (path: string) => {
      await Deno.rename(path, `${path}.moved`);
      await Deno.symlink(`${path}.moved`, path);
    }],
    ["became a folder", async (path: string) => {
      await Deno.remove(path);
      await Deno.mkdir(path);
    }],
  ] as const
) {
  Deno.test(`Share refuses a file that ${how} since it was found`, async () => {
    await using folder = await tempShare({ "1.txt": "one" });
    const share = await Share.open(folder.path, limits);
    const file = await share.find("1.txt");
    assertExists(file);
    await alter(join(folder.path, "1.txt"));
    assertEquals(share.open(file).kind, "refused");
    assertEquals(share.readSmall(file).kind, "refused");
  });
}

Deno.test("Share does not follow a link that was put into the path", async () => {
  await using folder = await tempShare({
    "outside/f": "secret",
    "share/d/f": "inside",
  });
  const share = await Share.open(join(folder.path, "share"), limits);
  const file = await share.find("d/f");
  assertExists(file);
  await Deno.rename(
    join(folder.path, "share/d"),
    join(folder.path, "share/moved"),
  );
  await Deno.symlink(
    join(folder.path, "outside"),
    join(folder.path, "share/d"),
  );
  const changed = { kind: "refused", reason: "changed" } as const;
  assertEquals(share.open(file), changed);
  assertEquals(share.readSmall(file), changed);
  assertEquals(await contentOf(share, "d/f"), undefined);
});

Deno.test("Share detects that an open file has changed", async () => {
  await using folder = await tempShare({ "1.txt": "one" });
  const share = await Share.open(folder.path, limits);
  const file = await share.find("1.txt");
  assertExists(file);
  const outcome = share.open(file);
  if (outcome.kind === "refused") throw new Error(outcome.reason);
  using opened = outcome.opened;
  assertEquals(opened.isUnchanged(), true);
  await Deno.writeTextFile(join(folder.path, "1.txt"), "longer");
  assertEquals(opened.isUnchanged(), false);
});

Deno.test("Share reads a small file in one step, and an open one from any position", async () => {
  await using folder = await tempShare({ "1.txt": "one", "empty": "" });
  const share = await Share.open(folder.path, limits);
  const file = await share.find("1.txt");
  const empty = await share.find("empty");
  assertExists(file);
  assertExists(empty);
  const small = share.readSmall(file);
  assertEquals(
    small.kind === "read" && new TextDecoder().decode(small.bytes),
    "one",
  );
  assertEquals(share.readSmall(empty), {
    kind: "read",
    bytes: new Uint8Array(),
  });
  const outcome = share.open(file);
  if (outcome.kind === "refused") throw new Error(outcome.reason);
  using opened = outcome.opened;
  const buffer = new Uint8Array(8);
  for (const [position, count] of [[2, 1], [0, 3], [3, 0], [99, 0]] as const) {
    assertEquals(await opened.read(buffer, position), count);
  }
  assertEquals(opened.readSync(new Uint8Array(3)), true);
  assertEquals(opened.readSync(new Uint8Array(4)), false);
});

Deno.test("Share finds a file by its version as long as it has that version", async () => {
  await using folder = await tempShare({ "1.txt": "one", "2.txt": "one" });
  const share = await Share.open(folder.path, limits);
  const file = await share.find("1.txt");
  const other = await share.find("2.txt");
  assertExists(file);
  assertExists(other);
  assertEquals(file.version.length, 32);
  assertEquals(file.version === other.version, false, "one a name");
  assertEquals(share.versioned(file.version), file);
  await Deno.writeTextFile(join(folder.path, "1.txt"), "longer");
  const now = await share.find("1.txt");
  assertExists(now);
  assertEquals([now.size, now.version === file.version], [6, false]);
  assertEquals(share.versioned(file.version), undefined);
  assertEquals(share.versioned(now.version), now);
  assertEquals(share.fileCount, 2);
});

Deno.test("Share follows files and folders that are added, changed or removed", async () => {
  await using folder = await tempShare({
    "outside/secret": "s",
    "share/1.txt": "one",
    "share/old/a": "a",
    "share/old/b": "b",
  });
  const root = join(folder.path, "share");
  // No scan runs in this time: only watching can find it.
  const patient = { ...limits, rescanPauseMs: 1e9 };
  using share = await Share.open(root, patient);
  let look = () => {};
  await share.follow({ onChange: () => look() });
  const names = () => [...share.files()].map(({ name }) => name).toSorted();
  /** Waits for rounds of changes until the share is as wanted. */
  const until = (wanted: string[]) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    look = () => {
      if (names().join() === wanted.join()) resolve();
    };
    look();
    return within(promise, `a share of ${wanted}`);
  };
  await Deno.mkdir(join(root, "new/deep"), { recursive: true });
  await Deno.writeTextFile(join(root, "new/deep/c"), "c");
  await Deno.symlink("../outside", join(root, "link"));
  await until(["1.txt", "new/deep/c", "old/a", "old/b"]);
  await Deno.rename(join(root, "old"), join(folder.path, "elsewhere"));
  await until(["1.txt", "new/deep/c"]);
  await Deno.writeTextFile(join(root, "1.txt"), "longer");
  await Deno.writeTextFile(join(root, "2.txt"), "two");
  await until(["1.txt", "2.txt", "new/deep/c"]);
  const file = [...share.files()].find(({ name }) => name === "1.txt");
  assertEquals(file?.size, 6);
  await Deno.remove(join(root, "2.txt"));
  await until(["1.txt", "new/deep/c"]);
});

for (const name of ["missing", "with\x1bescape"]) {
  Deno.test(`Share.open reports what is wrong with ${JSON.stringify(name)}`, async () => {
    await using folder = await tempShare({ "file": "" });
    const error = await assertRejects(
      () => Share.open(join(folder.path, name), limits),
      Failure,
      "Cannot share folder",
    );
    assertEquals(error.kind, "local");
    assertEquals(error.message.includes("\x1b"), false);
  });
}
