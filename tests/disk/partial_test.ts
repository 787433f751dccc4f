import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { basename, dirname, join } from "@std/path";
import { Failure } from "../../lib/base/errors.ts";
import { Manifest } from "../../lib/content/manifest.ts";
import { PARTIAL_SUFFIX, safeName } from "../../lib/base/names.ts";
import { hashParts, PlainHasher } from "../../lib/transfer/hashing.ts";
import { occupantOf } from "../../lib/disk/occupant.ts";
import { PartialFile } from "../../lib/disk/partial.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import {
  syncFolder,
  type TargetOptions,
  usualMode,
} from "../../lib/disk/publishing.ts";
import { SmallFiles } from "../../lib/disk/small_files.ts";
import { within } from "../_event_log.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";

const PIECE = 256 * 1024;
const ROOT = join(import.meta.dirname!, "..", "..");
const HASHER = new PlainHasher();
const MODIFIED_MS = 1_600_000_000_123;

/** Three pieces, the last of them short. */
const CONTENT = randomBytes(2 * PIECE + 100, seededRandom(1));
const SIZE = CONTENT.length;
const MANIFEST = new Manifest(
  SIZE,
  new Uint8Array(hashParts(CONTENT, PIECE).flatMap((hash) => [...hash])),
);

const NEW: TargetOptions = { overwrite: false, modifiedMs: MODIFIED_MS };
const OVER: TargetOptions = { overwrite: true, modifiedMs: MODIFIED_MS };

function open(path: string, options = NEW): Promise<PartialFile> {
  return PartialFile.open(path, { size: SIZE, ...options });
}

/** Saves the whole of the content by all steps there are. */
async function receive(path: string, options = NEW): Promise<void> {
  const partial = await open(path, options);
  await partial.write(0, CONTENT.slice());
  await partial.finish();
}

/** Names in a folder, in order. */
function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

/** `object[name]` is another until disposed of. */
function replaced<T extends object, Name extends keyof T>(
  object: T,
  name: Name,
  by: (original: T[Name]) => T[Name],
): Disposable {
  const original = object[name];
  object[name] = by(original);
  return { [Symbol.dispose]: () => void (object[name] = original) };
}

/** An error as the system gives it. */
function systemError(code: string): Error {
  return Object.assign(new Error(`system says ${code}`), { code });
}

/** A file has these bytes; their hashes are compared, for they are many. */
async function assertContent(
  path: string,
  expected: Uint8Array,
  why?: string,
): Promise<void> {
  const found = await Deno.readFile(path);
  assertEquals(found.length, expected.length, why);
  assertEquals(hashParts(found, PIECE), hashParts(expected, PIECE), why);
}

async function rejection(promise: Promise<unknown>): Promise<Failure> {
  const error = await assertRejects(() => within(promise, "it"), Failure);
  assertEquals(error.kind, "local");
  return error;
}

Deno.test("partialPathOf names a hidden file in the same folder, after the file", () => {
  const folder = join("/", "some", "folder");
  const partial = partialPathOf(join(folder, "film.mkv"));
  assertEquals(partial, join(folder, ".film.mkv.p2p-part"));
  assertEquals(partialPathOf(join("sub", "f")), join("sub", ".f.p2p-part"));
});

for (
  const [what, name] of [
    ["as long as fits", "n".repeat(255 - 1 - PARTIAL_SUFFIX.length)],
    ["one byte longer", "n".repeat(255 - PARTIAL_SUFFIX.length)],
    ["as long as there are", "n".repeat(255)],
    ["long in bytes, though not in characters", "é".repeat(124)],
  ] as const
) {
  Deno.test(`partialPathOf gives a name that a disk takes to one ${what}`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, name);
    const partial = basename(partialPathOf(path));
    assert(new TextEncoder().encode(partial).length <= 255);
    assert(partial.startsWith(".") && partial.endsWith(PARTIAL_SUFFIX));
    assertEquals(dirname(partialPathOf(path)), folder.path);
    assertNotEquals(partial, basename(partialPathOf(`${path}`.slice(0, -1))));
    await receive(path);
    assertEquals(namesIn(folder.path), [name]);
  });
}

Deno.test("partialPathOf gives names that no node shares or is asked for", () => {
  for (const name of ["a", "n".repeat(255), "é".repeat(127)]) {
    const partial = basename(partialPathOf(join("folder", name)));
    assertEquals(safeName(partial).kind, "refused");
  }
});

Deno.test("partialPathOf tells the files of the current folder apart", () => {
  assertEquals(partialPathOf("film.mkv"), ".film.mkv.p2p-part");
  assertNotEquals(partialPathOf("afile"), partialPathOf("bfile"));
});

Deno.test("occupantOf tells what is there, and follows no link", async () => {
  await using folder = await tempShare({ "file": "four", "sub/x": "" });
  const at = (name: string) => join(folder.path, name);
  await Deno.symlink(at("file"), at("link"));
  await Deno.symlink(at("missing"), at("dangling"));
  await Deno.symlink(at("sub"), at("folder-link"));
  assertEquals(await occupantOf(at("nothing"), 4), "none");
  assertEquals(await occupantOf(at("file"), 4), "same_size");
  assertEquals(await occupantOf(at("file"), 5), "other");
  assertEquals(await occupantOf(at("sub"), 4), "folder");
  assertEquals(await occupantOf(at("link"), 4), "other");
  assertEquals(await occupantOf(at("dangling"), 4), "other");
  assertEquals(await occupantOf(at("folder-link"), 4), "other");
  await rejection(occupantOf(at("file/below"), 4));
});

Deno.test("PartialFile has nothing under the final name before it is finished", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  assertEquals(partial.path, path);
  await partial.write(0, CONTENT.slice());
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
  await partial.finish();
  assertEquals(namesIn(folder.path), ["file"]);
  await assertContent(path, CONTENT);
});

Deno.test("PartialFile puts pieces in their places, in any order and all at once", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  await Promise.all([
    partial.write(2, CONTENT.slice(2 * PIECE)),
    partial.write(0, CONTENT.slice(0, PIECE)),
    partial.write(1, CONTENT.slice(PIECE, 2 * PIECE)),
  ]);
  await partial.finish();
  await assertContent(partial.path, CONTENT);
});

Deno.test("PartialFile waits for what is being written before it is finished", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  const writing = Array.from({ length: 60 }, (_, at) => {
    const piece = 2 - at % 3;
    const start = piece * PIECE;
    return partial.write(piece, CONTENT.slice(start, start + PIECE));
  });
  await partial.finish();
  await Promise.all(writing);
  await assertContent(partial.path, CONTENT);
});

Deno.test("PartialFile writes everything to a disk that takes a part at a time", async () => {
  await using folder = await tempShare();
  const random = seededRandom(2);
  using _short = replaced(
    Deno.FsFile.prototype,
    "write",
    (write) =>
      function (this: Deno.FsFile, bytes: Uint8Array) {
        const most = Math.floor(random() * 100_000); // sometimes nothing
        return write.call(this, bytes.subarray(0, most));
      },
  );
  await receive(join(folder.path, "file"));
  await assertContent(join(folder.path, "file"), CONTENT);
});

/** What can be under the final name, and how to see that it was left alone. */
const OCCUPANTS: readonly {
  what: string;
  put: (path: string) => Promise<void>;
  isThere: (path: string) => Promise<boolean>;
}[] = [
  {
    what: "a file",
    put: (path) => Deno.writeTextFile(path, "mine"),
    isThere: async (path) => await Deno.readTextFile(path) === "mine",
  },
  {
    what: "a link to a file",
    put: async (path) => {
      await Deno.writeTextFile(`${path}.target`, "mine");
      await Deno.symlink(`${path}.target`, path);
    },
    isThere: async (path) =>
      (await Deno.lstat(path)).isSymlink &&
      await Deno.readTextFile(path) === "mine",
  },
  {
    what: "a link to nothing",
    put: (path) => Deno.symlink(`${path}.missing`, path),
    isThere: async (path) =>
      (await Deno.lstat(path)).isSymlink &&
      await occupantOf(`${path}.missing`, 0) === "none",
  },
  {
    what: "a folder",
    put: (path) => Deno.mkdir(path),
    isThere: async (path) => (await Deno.lstat(path)).isDirectory,
  },
];

for (const { what, put, isThere } of OCCUPANTS) {
  Deno.test(`PartialFile does not replace ${what} unless that was asked for`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path);
    await partial.write(0, CONTENT.slice());
    await put(path); // after the client has looked
    const failure = await rejection(partial.finish());
    assertEquals(failure.parts.why, "exists already");
    assertEquals(failure.parts.remedyCode, "replace_or_elsewhere");
    assert(await isThere(path));
    const again = await open(path);
    assertEquals(await again.resume(MANIFEST, HASHER), [0, 1, 2], "kept");
    await again.discard();
  });

  Deno.test(`SmallFiles does not replace ${what} unless that was asked for`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    await put(path);
    const saving = new SmallFiles().save(path, CONTENT.slice(0, 9), NEW);
    const failure = await rejection(saving);
    assertEquals(failure.parts.why, "exists already");
    assertEquals(failure.parts.remedyCode, "replace_or_elsewhere");
    assert(await isThere(path));
  });
}

const SAVES: readonly {
  name: string;
  content: Uint8Array<ArrayBuffer>;
  save: (path: string, options?: TargetOptions) => Promise<void>;
}[] = [
  { name: "PartialFile", content: CONTENT, save: receive },
  {
    name: "SmallFiles",
    content: CONTENT.slice(0, 9),
    save: (path, options = NEW) =>
      new SmallFiles().save(path, CONTENT.slice(0, 9), options),
  },
];

for (const { name, content, save } of SAVES) {
  Deno.test(`${name} replaces a file in one step where that was asked for`, async () => {
    await using folder = await tempShare({ "file": "old" });
    const path = join(folder.path, "file");
    using before = await Deno.open(path);
    await save(path, OVER);
    await assertContent(path, content);
    assertEquals(namesIn(folder.path), ["file"]);
    const old = new Uint8Array(9);
    assertEquals(
      await before.read(old),
      3,
      "who has the old one open keeps it",
    );
    assertEquals(new TextDecoder().decode(old.subarray(0, 3)), "old");
  });

  Deno.test(`${name} replaces a link, and not what it leads to`, async () => {
    await using folder = await tempShare({ "target": "mine" });
    const path = join(folder.path, "file");
    await Deno.symlink(join(folder.path, "target"), path);
    await save(path, OVER);
    assertEquals((await Deno.lstat(path)).isFile, true);
    await assertContent(path, content);
    assertEquals(await Deno.readTextFile(join(folder.path, "target")), "mine");
  });

  for (const inside of [{}, { "file/x": "mine" }]) {
    const what = "file/x" in inside ? "one with files" : "an empty one";
    Deno.test(`${name} replaces no folder, not even ${what}`, async () => {
      await using folder = await tempShare(inside);
      const path = join(folder.path, "file");
      await Deno.mkdir(path, { recursive: true });
      await rejection(save(path, OVER));
      assertEquals(
        namesIn(path),
        Object.keys(inside).map((name) => basename(name)),
      );
    });
  }

  Deno.test(`${name} gives a file the time of writing that it had`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    await save(path);
    assertEquals((await Deno.stat(path)).mtime?.getTime(), MODIFIED_MS);
    const before1970 = [-1, -1_500, -315_359_999_877, -2_147_483_648_000];
    for (const modifiedMs of [0, 1, 4_000_000_000_000, ...before1970]) {
      await save(path, { overwrite: true, modifiedMs });
      assertEquals((await Deno.stat(path)).mtime?.getTime(), modifiedMs);
    }
  });

  for (
    const modifiedMs of [
      -2_147_483_648_001,
      -1e300,
      NaN,
      Infinity,
      -Infinity,
      8e12,
      2 ** 53,
      1e300,
    ]
  ) {
    Deno.test(`${name} gives a file the time of now rather than ${modifiedMs}`, async () => {
      await using folder = await tempShare();
      const path = join(folder.path, "file");
      const before = Date.now();
      await save(path, { overwrite: false, modifiedMs });
      const time = (await Deno.stat(path)).mtime!.getTime();
      assert(time >= before - 1_000 && time <= Date.now() + 1_000, `${time}`);
    });
  }

  Deno.test(`${name} reports what is wrong with the folder to save in`, async () => {
    await using folder = await tempShare({ "file": "x" });
    const missing = await rejection(save(join(folder.path, "no\x1b[2J/f")));
    assertEquals(missing.parts.why, "its folder does not exist");
    assertEquals(missing.message.includes("\x1b"), false);
    const noFolder = await rejection(save(join(folder.path, "file", "f")));
    assertEquals(noFolder.parts.why, "not a folder");
  });

  Deno.test(
    `${name} makes a file durable before it has its name, and then the name`,
    async () => {
      await using folder = await tempShare();
      const steps: string[] = [];
      const note = <T extends object, Name extends keyof T>(
        object: T,
        name: Name,
      ) =>
        replaced(
          object,
          name,
          (original) =>
            function (this: unknown, ...given: unknown[]) {
              steps.push(String(name).replace("Sync", ""));
              return (original as (...given: unknown[]) => unknown)
                .apply(this, given);
            } as T[Name],
        );
      using stack = new DisposableStack();
      const { prototype } = Deno.FsFile;
      for (
        const method of ["write", "writeSync", "sync", "syncSync"] as const
      ) {
        stack.use(note(prototype, method));
      }
      for (
        const name of ["link", "linkSync", "rename", "renameSync"] as const
      ) {
        stack.use(note(Deno, name));
      }
      await save(join(folder.path, "new"));
      assertEquals(steps.filter((step, at) => step !== steps[at - 1]), [
        "write",
        "sync",
        "link",
        "sync",
      ]);
      steps.length = 0;
      await save(join(folder.path, "new"), OVER);
      assertEquals(steps.filter((step, at) => step !== steps[at - 1]), [
        "write",
        "sync",
        "rename",
        "sync",
      ]);
    },
  );

  for (const code of ["EPERM", "ENOTSUP", "EOPNOTSUPP"]) {
    Deno.test(`${name} publishes on a disk without hard links, ${code}, over nothing`, async () => {
      await using folder = await tempShare({ "old": "mine" });
      const refuse = () => {
        throw systemError(code);
      };
      using _link = replaced(Deno, "link", () => () => Promise.try(refuse));
      using _linkSync = replaced(Deno, "linkSync", () => refuse);
      await save(join(folder.path, "new"));
      await assertContent(join(folder.path, "new"), content);
      const failure = await rejection(save(join(folder.path, "old")));
      assertEquals(failure.parts.why, "exists already");
      assertEquals(await Deno.readTextFile(join(folder.path, "old")), "mine");
    });
  }

  Deno.test(`${name} does not take another failure for a disk without hard links`, async () => {
    await using folder = await tempShare();
    const refuse = () => {
      throw systemError("EIO");
    };
    using _link = replaced(Deno, "link", () => () => Promise.try(refuse));
    using _linkSync = replaced(Deno, "linkSync", () => refuse);
    const failure = await rejection(save(join(folder.path, "new")));
    assertMatch(failure.parts.why, /input\/output error/);
    assertEquals(await occupantOf(join(folder.path, "new"), 0), "none");
  });
}

Deno.test("PartialFile keeps what is there when the disk is full, and continues later", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  await partial.write(0, CONTENT.slice(0, PIECE));
  {
    using _full = replaced(
      Deno.FsFile.prototype,
      "write",
      () => () => Promise.reject(systemError("ENOSPC")),
    );
    const failure = await rejection(
      partial.write(1, CONTENT.slice(PIECE, 2 * PIECE)),
    );
    assertEquals(failure.parts.why, "no space left on the disk");
    assertMatch(failure.parts.remedy!, /kept/);
  }
  await partial.keep();
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
  const again = await open(path);
  assertEquals(await again.resume(MANIFEST, HASHER), [0]);
  await again.write(1, CONTENT.slice(PIECE));
  await again.finish();
  await assertContent(path, CONTENT);
});

Deno.test("PartialFile publishes and hashes nothing after a failed write, though later ones succeed", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  let isFull = true;
  using _full = replaced(
    Deno.FsFile.prototype,
    "write",
    (write) =>
      function (this: Deno.FsFile, bytes: Uint8Array) {
        if (!isFull) return write.call(this, bytes);
        isFull = false;
        return Promise.reject(systemError("ENOSPC"));
      },
  );
  const failed = rejection(partial.write(0, CONTENT.slice(0, PIECE)));
  await partial.write(1, CONTENT.slice(PIECE));
  await failed;
  for (const method of ["sha256", "finish"] as const) {
    const { parts } = await rejection(partial[method]());
    assertEquals(parts.why, "no space left on the disk");
  }
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
  const again = await open(path);
  assertEquals(await again.resume(MANIFEST, HASHER), [1, 2]);
  await again.write(0, CONTENT.slice(0, PIECE));
  await again.finish();
  await assertContent(path, CONTENT);
});

for (const method of ["sync", "truncate", "utime"] as const) {
  Deno.test(`PartialFile publishes nothing when ${method} fails, and keeps it`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const partial = await open(path);
    await partial.write(0, CONTENT.slice());
    {
      using _broken = replaced(
        Deno.FsFile.prototype,
        method,
        () => () => Promise.reject(systemError("EIO")),
      );
      await rejection(partial.finish());
    }
    assertEquals(namesIn(folder.path), [".file.p2p-part"]);
    await receive(path);
    await assertContent(path, CONTENT);
  });
}

/** What an earlier run may have left, and which pieces of it are right. */
const LEFT: readonly [string, Uint8Array, number[]][] = [
  ["nothing at all", new Uint8Array(), []],
  ["less than a piece", CONTENT.slice(0, PIECE - 1), []],
  ["a piece", CONTENT.slice(0, PIECE), [0]],
  ["a piece and some", CONTENT.slice(0, PIECE + 9), [0]],
  ["all but the last byte", CONTENT.slice(0, SIZE - 1), [0, 1]],
  ["all of it", CONTENT, [0, 1, 2]],
  ["all of it and more", new Uint8Array([...CONTENT, 1, 2, 3]), [0, 1, 2]],
  ["the last piece alone", withZeros(0, 2 * PIECE), [2]],
  ["the first and last piece", withZeros(PIECE, 2 * PIECE), [0, 2]],
  ["one wrong bit in the first", withWrongBit(0), [1, 2]],
  ["one wrong bit in the second", withWrongBit(2 * PIECE - 1), [0, 2]],
  ["one wrong bit at the end", withWrongBit(SIZE - 1), [0, 1]],
  ["another file", randomBytes(SIZE, seededRandom(9)), []],
  [
    "the pieces in each other's place",
    new Uint8Array([
      ...CONTENT.subarray(PIECE, 2 * PIECE),
      ...CONTENT.subarray(0, PIECE),
      ...CONTENT.subarray(2 * PIECE),
    ]),
    [2],
  ],
];

function withZeros(start: number, end: number): Uint8Array {
  return CONTENT.slice().fill(0, start, end);
}

function withWrongBit(at: number): Uint8Array {
  const bytes = CONTENT.slice();
  bytes[at] = bytes[at]! ^ 1;
  return bytes;
}

for (const [what, left, have] of LEFT) {
  Deno.test(`PartialFile continues with the right pieces of ${what}`, async () => {
    await using folder = await tempShare({ ".file.p2p-part": left });
    const path = join(folder.path, "file");
    const partial = await open(path);
    assertEquals(await partial.byteCount(), left.length);
    assertEquals(await partial.resume(MANIFEST, HASHER), have);
    for (const piece of [2, 1, 0].filter((one) => !have.includes(one))) {
      const start = piece * PIECE;
      await partial.write(piece, CONTENT.slice(start, start + PIECE));
    }
    await partial.finish();
    await assertContent(path, CONTENT);
    assertEquals(namesIn(folder.path), ["file"]);
  });
}

Deno.test("PartialFile that is kept is resumed, whatever of it was written", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  const writing = partial.write(1, CONTENT.slice(PIECE, 2 * PIECE));
  await partial.keep();
  await writing;
  await partial.keep();
  await partial.discard();
  const again = await open(path);
  assertEquals(await again.resume(MANIFEST, HASHER), [1]);
  await again.keep();
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
});

Deno.test("PartialFile that is discarded leaves nothing", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  const writing = partial.write(0, CONTENT.slice());
  await partial.discard();
  await writing;
  assertEquals(namesIn(folder.path), []);
  await partial.discard();
  await partial.keep();
});

Deno.test("PartialFile that is finished stays when it is kept or discarded after that", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  await partial.write(0, CONTENT.slice());
  await partial.finish();
  await partial.discard();
  await partial.keep();
  await assertContent(path, CONTENT);
});

Deno.test("PartialFile hashes all that was written, in the order of the file", async () => {
  await using folder = await tempShare();
  const partial = await open(join(folder.path, "file"));
  const digest = await crypto.subtle.digest("SHA-256", CONTENT);
  const writing = [2, 0, 1].map((piece) =>
    partial.write(piece, CONTENT.slice(piece * PIECE, (piece + 1) * PIECE))
  );
  assertEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await Promise.all(writing);
  await partial.write(1, CONTENT.slice(0, PIECE));
  assertNotEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await partial.discard();
});

Deno.test("PartialFile hashes no more than the file's size of what is there", async () => {
  const left = new Uint8Array([...CONTENT, 1, 2, 3]);
  await using folder = await tempShare({ ".file.p2p-part": left });
  const partial = await open(join(folder.path, "file"));
  const digest = await crypto.subtle.digest("SHA-256", CONTENT);
  assertEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await partial.discard();
});

/** What somebody may have put at the partial name to lead us elsewhere. */
const PLANTED: readonly [string, (at: string, to: string) => Promise<void>][] =
  [
    ["a symbolic link", (at, to) => Deno.symlink(to, at)],
    ["a hard link", (at, to) => Deno.link(to, at)],
    ["a folder", (at) => Deno.mkdir(at)],
    ["a link to nothing", (at, to) => Deno.symlink(`${to}.missing`, at)],
  ];

for (const [what, plant] of PLANTED) {
  Deno.test(`PartialFile refuses ${what} at the partial name, and leaves it alone`, async () => {
    await using folder = await tempShare({ "victim": "mine" });
    const path = join(folder.path, "file");
    const victim = join(folder.path, "victim");
    await plant(partialPathOf(path), victim);
    const failure = await rejection(open(path));
    assertEquals(failure.parts.what, "Cannot resume partial file");
    assertEquals(await Deno.readTextFile(victim), "mine");
    assertEquals(namesIn(folder.path), [".file.p2p-part", "victim"]);
  });

  Deno.test(`SmallFiles refuses ${what} at the partial name, and leaves it alone`, async () => {
    await using folder = await tempShare({ "victim": "mine" });
    const path = join(folder.path, "file");
    const victim = join(folder.path, "victim");
    await plant(partialPathOf(path), victim);
    await rejection(new SmallFiles().save(path, CONTENT.slice(0, 9), NEW));
    assertEquals(await Deno.readTextFile(victim), "mine");
    assertEquals(namesIn(folder.path), [".file.p2p-part", "victim"]);
  });
}

for (const { name, content, save } of SAVES) {
  Deno.test(`${name} continues after a crash between giving a file its name and tidying up`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    await save(path);
    await Deno.link(path, partialPathOf(path));
    await save(path, OVER);
    await assertContent(path, content);
    assertEquals(namesIn(folder.path), ["file"]);
  });
}

for (const { name, content, save } of SAVES) {
  Deno.test(`${name} is done where another process tidies up after it`, async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    using _async = replaced(Deno, "link", (link) => async (from, to) => {
      await link(from, to);
      await Deno.remove(from);
    });
    using _sync = replaced(Deno, "linkSync", (linkSync) => (from, to) => {
      linkSync(from, to);
      Deno.removeSync(from);
    });
    await save(path);
    await assertContent(path, content);
    assertEquals(namesIn(folder.path), ["file"]);
  });
}

Deno.test("PartialFile is new where the one that was there goes as it is opened", async () => {
  await using folder = await tempShare({ ".file.p2p-part": "left" });
  const path = join(folder.path, "file");
  {
    using _race = replaced(Deno, "open", (open) => async (at, options) => {
      try {
        return await open(at, options);
      } catch (error) {
        await Deno.remove(at); // whoever had it is done
        throw error;
      }
    });
    const partial = await open(path);
    assertEquals(await partial.byteCount(), 0);
    await partial.keep();
  }
  assertEquals(namesIn(folder.path), [".file.p2p-part"]);
});

testWith(
  ["mkfifo"],
  "PartialFile refuses a pipe at the partial name, and does not wait for it",
  async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const made = new Deno.Command("mkfifo", { args: [partialPathOf(path)] });
    assert((await made.output()).success);
    await rejection(open(path));
  },
);

Deno.test("PartialFile notices that a link was put at the partial name as it opens it", async () => {
  await using folder = await tempShare({
    ".file.p2p-part": "left",
    "victim": "mine",
  });
  const path = join(folder.path, "file");
  using _race = replaced(
    Deno,
    "open",
    (open) => async (at, options) => {
      if (options?.createNew || at !== partialPathOf(path)) {
        return await open(at, options);
      }
      await Deno.remove(at);
      await Deno.symlink(join(folder.path, "victim"), at);
      return await open(at, options);
    },
  );
  await rejection(open(path));
  assertEquals(await Deno.readTextFile(join(folder.path, "victim")), "mine");
});

/** Puts a link to another folder, where something lies in wait, in a folder's place. */
async function swap(folder: string, other: string): Promise<void> {
  await Deno.rename(folder, `${folder}-away`);
  await Deno.symlink(other, folder);
}

for (const when of ["while it is received", "as it is published"] as const) {
  Deno.test(`PartialFile notices that a link was put in the place of its folder ${when}`, async () => {
    await using folder = await tempShare({
      "sub/old": "",
      "other/.file.p2p-part": "another's",
    });
    const [sub, other] = ["sub", "other"].map((name) =>
      join(folder.path, name)
    ) as [string, string];
    const partial = await open(join(sub, "file"));
    await partial.write(0, CONTENT);
    if (when === "while it is received") await swap(sub, other);
    using _race = replaced(Deno, "link", (link) => async (from, to) => {
      if (when === "as it is published") await swap(sub, other);
      await link(from, to);
    });
    const failure = await rejection(partial.finish());
    assertEquals(
      failure.parts.why,
      "its folder was replaced in the meantime",
    );
    const found = (await Array.fromAsync(Deno.readDir(other)))
      .map(({ name }) => name);
    // What took a link there was never ours, and did not get our bytes.
    for (const name of found) {
      assertEquals(await Deno.readTextFile(join(other, name)), "another's");
    }
    if (when === "while it is received") assertEquals(found.length, 1);
  });
}

Deno.test("PartialFile allows one user at a time", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const first = await open(path);
  await first.write(0, CONTENT.slice(0, PIECE));
  const failure = await rejection(open(path));
  assertEquals(failure.parts.why, "another process is receiving it");
  assertEquals(await first.byteCount(), PIECE, "it is left alone");
  await first.keep();
  const second = await open(path);
  assertEquals(await second.resume(MANIFEST, HASHER), [0]);
  await second.discard();
});

/** A process that runs `code`, in which `path` is known; killed when disposed. */
function run(code: string, path: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--cached-only", "--ext=ts", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const folder = new URL("../../lib/disk/", import.meta.url).href;
  const text = `
    import { PartialFile } from ${JSON.stringify(`${folder}partial.ts`)};
    import { SmallFiles } from ${JSON.stringify(`${folder}small_files.ts`)};
    const at = (name) => ${JSON.stringify(folder)} + name;
    const path = ${JSON.stringify(path)};
    const options = { overwrite: false, modifiedMs: 0 };
    ${code}
  `;
  const writer = child.stdin.getWriter();
  const starting = writer.write(new TextEncoder().encode(text))
    .then(() => writer.close());
  return { child, starting };
}

Deno.test("PartialFile belongs to one process, and is free again after that was killed", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const { child, starting } = run(
    `
    const partial = await PartialFile.open(path, { ...options, size: ${SIZE} });
    await partial.write(0, new Uint8Array(9).fill(1));
    console.log("open");
    setInterval(() => partial, 1_000);
  `,
    path,
  );
  await starting;
  const reader = child.stdout.getReader();
  await within(reader.read(), "the other process");
  const failure = await rejection(open(path));
  assertEquals(failure.parts.why, "another process is receiving it");
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  const partial = await open(path);
  assertEquals(await partial.byteCount(), 9);
  await partial.discard();
});

Deno.test("PartialFile takes up nothing that was published while it opened it", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const first = await open(path);
  await first.write(0, CONTENT.slice());
  using _race = replaced(
    Deno.FsFile.prototype,
    "tryLock",
    (tryLock) =>
      async function (this: Deno.FsFile, exclusive?: boolean) {
        await first.finish(); // between opening and locking
        return await tryLock.call(this, exclusive);
      },
  );
  const second = await open(path).catch((error) => {
    assert(error instanceof Failure);
    return undefined;
  });
  // Of another version of the file, say.
  await second?.write(0, new Uint8Array(PIECE));
  await second?.keep();
  await assertContent(path, CONTENT);
});

for (const umask of [0o022, 0o002, 0o077, 0o007]) {
  const mode = 0o666 & ~umask;
  Deno.test({
    name: `A file that was received has mode ${mode.toString(8)} under umask ${
      umask.toString(8).padStart(3, "0")
    }, and 600 until then`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using folder = await tempShare();
      const path = join(folder.path, "file");
      const { child, starting } = run(
        `
        Deno.umask(${umask});
        const modeOf = (at) => Deno.statSync(at).mode & 0o7777;
        const partial = await PartialFile.open(path, { ...options, size: 1 });
        await partial.write(0, new Uint8Array(1));
        const before = modeOf(path.replace(/file$/, ".file.p2p-part"));
        await partial.finish();
        await new SmallFiles().save(path + "2", new Uint8Array(1), options);
        console.log(before, modeOf(path), modeOf(path + "2"));
      `,
        path,
      );
      await starting;
      const { stdout } = await child.output();
      const modes = new TextDecoder().decode(stdout).trim().split(" ");
      assertEquals(modes.map(Number), [0o600, mode, mode]);
    },
  });
}

Deno.test("SmallFiles closes what an earlier run left when the disk is full, and continues later", async () => {
  await using folder = await tempShare({ ".file.p2p-part": "left" });
  const path = join(folder.path, "file");
  const save = () => new SmallFiles().save(path, CONTENT.slice(0, 3), NEW);
  {
    using _full = replaced(
      Deno.FsFile.prototype,
      "write",
      () => () => Promise.reject(systemError("ENOSPC")),
    );
    const failure = await rejection(save());
    assertEquals(failure.parts.why, "no space left on the disk");
  }
  await save();
  await assertContent(path, CONTENT.slice(0, 3));
  assertEquals(namesIn(folder.path), ["file"]);
});

Deno.test({
  name:
    "SmallFiles saves a file again that a full disk cut short under umask 002",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await tempShare();
    const path = join(folder.path, "file");
    const { child, starting } = run(
      `
      Deno.umask(0o002);
      const { writeSync } = Deno.FsFile.prototype;
      const save = () => new SmallFiles().save(path, Uint8Array.of(7), options);
      Deno.FsFile.prototype.writeSync = () => {
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      };
      const first = await save().catch(({ parts }) => parts.why);
      Deno.FsFile.prototype.writeSync = writeSync;
      const second = await save().catch(({ parts }) => parts.why);
      console.log(JSON.stringify([first, second ?? "saved"]));
    `,
      path,
    );
    await starting;
    const { stdout } = await child.output();
    const ends = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(ends, ["no space left on the disk", "saved"]);
    assertEquals((await Deno.stat(path)).mode! & 0o7777, 0o664);
    assertEquals(namesIn(folder.path), ["file"]);
  },
});

Deno.test("usualMode leaves nothing in the folder in which it looked", async () => {
  await using folder = await tempShare();
  const mode = await usualMode(folder.path);
  assertEquals(mode & ~0o666, 0, "no file becomes a program");
  assertEquals(namesIn(folder.path), []);
});

for (
  const [what, race, left] of [
    ["several ask at once", "", []],
    [
      "another process asks at the same time, and is quicker",
      `
        let others = 2;
        const { remove } = Deno;
        Deno.remove = async (at) => {
          const isThere = await remove(at).then(() => true, () => false);
          if (others-- > 0) await Deno.writeTextFile(at, "");
          else if (!isThere) throw new Deno.errors.NotFound();
        };
      `,
      [],
    ],
    [
      "another process removes what is looked at",
      `
        const { open } = Deno;
        Deno.open = async (at, options) => {
          const file = await open(at, options);
          if (at.endsWith("/.mode.p2p-part")) await Deno.remove(at);
          return file;
        };
      `,
      [],
    ],
    [
      "another user's probe cannot be removed",
      `
        Deno.writeTextFileSync(folder + "/.mode.p2p-part", "planted");
        const { remove } = Deno;
        Deno.remove = (at) =>
          at.endsWith("/.mode.p2p-part")
            ? Promise.reject(new Deno.errors.PermissionDenied("sticky"))
            : remove(at);
      `,
      [".mode.p2p-part"],
    ],
  ] as const
) {
  Deno.test(`usualMode is found where ${what}`, async () => {
    await using folder = await tempShare();
    const { child, starting } = run(
      `
        const { usualMode } = await import(at("publishing.ts"));
        const folder = path.slice(0, path.lastIndexOf("/"));
        ${race}
        const modes = await Promise.all([0, 1, 2].map(() => usualMode(folder)));
        console.log(new Set(modes).size, modes[0] & ~0o666);
      `,
      join(folder.path, "file"),
    );
    await starting;
    const { stdout } = await child.output();
    assertEquals(new TextDecoder().decode(stdout).trim(), "1 0");
    assertEquals(namesIn(folder.path), [...left]);
  });
}

Deno.test("SmallFiles saves one file after the other, and leaves nothing else", async () => {
  await using folder = await tempShare();
  const small = new SmallFiles();
  const names = Array.from({ length: 20 }, (_, n) => `f${n}`);
  for (const [length, name] of names.entries()) {
    const path = join(folder.path, name);
    await small.save(path, CONTENT.slice(0, length), NEW);
  }
  assertEquals(namesIn(folder.path), names.toSorted());
  for (const [length, name] of names.entries()) {
    const bytes = await Deno.readFile(join(folder.path, name));
    assertEquals(bytes, CONTENT.slice(0, length));
  }
});

Deno.test("SmallFiles receives again what an earlier run left of a small file", async () => {
  await using folder = await tempShare({ ".file.p2p-part": "much longer" });
  const path = join(folder.path, "file");
  await new SmallFiles().save(path, CONTENT.slice(0, 3), NEW);
  await assertContent(path, CONTENT.slice(0, 3));
  assertEquals(namesIn(folder.path), ["file"]);
});

Deno.test("SmallFiles writes everything to a disk that takes a part at a time", async () => {
  await using folder = await tempShare();
  using _short = replaced(
    Deno.FsFile.prototype,
    "writeSync",
    (writeSync) =>
      function (this: Deno.FsFile, bytes: Uint8Array) {
        return writeSync.call(this, bytes.subarray(0, 7));
      },
  );
  const path = join(folder.path, "file");
  await new SmallFiles().save(path, CONTENT.slice(0, 1_000), NEW);
  await assertContent(path, CONTENT.slice(0, 1_000));
});

/** A disk on which making a file durable takes its time. */
function slowDisk(): Disposable {
  return replaced(
    Deno.FsFile.prototype,
    "syncSync",
    (syncSync) =>
      function (this: Deno.FsFile) {
        const until = performance.now() + 16;
        while (performance.now() < until);
        syncSync.call(this);
      },
  );
}

Deno.test("SmallFiles lets several files wait for a slow disk together", async () => {
  await using folder = await tempShare();
  using _slow = slowDisk();
  const small = new SmallFiles();
  const path = (n: number) => join(folder.path, `${n}`);
  await small.save(path(0), CONTENT.slice(0, 1), NEW); // finds it slow
  let waiting = 0, most = 0;
  using _sync = replaced(
    Deno.FsFile.prototype,
    "sync",
    (sync) =>
      async function (this: Deno.FsFile) {
        most = Math.max(most, ++waiting);
        await sync.call(this);
        waiting--;
      },
  );
  await Promise.all(
    [1, 2, 3, 4].map((n) => small.save(path(n), CONTENT.slice(0, n), NEW)),
  );
  assertEquals(most, 4);
  for (const n of [0, 1, 2, 3, 4]) {
    assertEquals((await Deno.readFile(path(n))).length, Math.max(1, n));
  }
  assertEquals(namesIn(folder.path), ["0", "1", "2", "3", "4"]);
});

Deno.test("SmallFiles allows one user at a time: the second fails, the first does not", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const [one, other] = ["one", "other"].map((text) =>
    new TextEncoder().encode(text)
  );
  const small = new SmallFiles();
  {
    using _slow = slowDisk();
    await small.save(join(folder.path, "slow"), one!, NEW); // finds it slow
  }
  const syncing = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  using _sync = replaced(
    Deno.FsFile.prototype,
    "sync",
    (sync) =>
      async function (this: Deno.FsFile) {
        syncing.resolve();
        await goOn.promise;
        await sync.call(this);
      },
  );
  const saving = small.save(path, one!, NEW);
  await within(syncing.promise, "the first at the disk");
  const failure = await rejection(new SmallFiles().save(path, other!, NEW));
  assertEquals(failure.parts.why, "another process is receiving it");
  goOn.resolve();
  await saving;
  assertEquals(await Deno.readTextFile(path), "one");
  assertEquals(namesIn(folder.path), ["file", "slow"]);
});

Deno.test("syncFolder does without where a folder cannot be opened", async () => {
  await using folder = await tempShare();
  await syncFolder(folder.path);
  await syncFolder(join(folder.path, "missing"));
});

Deno.test("syncFolder passes on that the disk failed", async () => {
  await using folder = await tempShare();
  using _broken = replaced(
    Deno.FsFile.prototype,
    "sync",
    () => () => Promise.reject(systemError("EIO")),
  );
  await assertRejects(() => syncFolder(folder.path), Error, "EIO");
});

Deno.test("PartialFile writes zeros over data that was written before, and leaves holes elsewhere", async () => {
  await using folder = await tempShare();
  const path = join(folder.path, "file");
  const partial = await open(path);
  const zeros = new Uint8Array(CONTENT.length);
  await partial.write(0, CONTENT.subarray(0, PIECE));
  await partial.write(0, zeros);
  await partial.write(1, CONTENT.subarray(PIECE));
  await partial.write(1, zeros.subarray(PIECE));
  const digest = await crypto.subtle.digest("SHA-256", zeros);
  assertEquals(await partial.sha256(), new Uint8Array(digest).toHex());
  await partial.discard();
});
