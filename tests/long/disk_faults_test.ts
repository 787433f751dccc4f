/**
 * A disk that fails, and a client that dies, at every step of receiving a file:
 * nothing wrong is under the final name, what had come is kept, and the same
 * command brings the rest. The client is the real one, with the permissions that
 * the README gives it; what fails is injected by strace.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { sha256 } from "../../lib/base/hash.ts";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { within } from "../_event_log.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { filesIn, get } from "../client/_outcomes.ts";
import {
  commandLine,
  type RoleProcess,
  runRole,
  spawnRole,
} from "../e2e/_processes.ts";
import { hasTool, testWith } from "../_tools.ts";
import {
  type Injection,
  KILLED,
  runClientWith,
  spawnNodeWith,
  testWithStrace,
} from "./_strace.ts";

const PIECE = 256 * 1024;
const FILES = {
  // Written at once, and piece by piece to a file that is taken up again.
  small: randomBytes(5_000, seededRandom(1)),
  large: randomBytes(5 * PIECE + 77, seededRandom(2)),
  // Enough for a lane: a worker verifies and writes its pieces.
  huge: randomBytes(66 * PIECE + 77, seededRandom(3)),
} as const;
type Name = keyof typeof FILES;
const OLD = new TextEncoder().encode("what was there before");

/** What a run is made in. */
interface Scene {
  readonly name: Name;
  /** What is there already. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly overwrite?: boolean;
  readonly injections: readonly Injection[];
  /** Where: on all paths of the file by default. */
  readonly on?: "partial" | "folder" | "anything";
}

/** What is there after the first run, and how it ended. */
interface Aftermath {
  readonly code: number;
  readonly line: string;
  /** What is under the final name. */
  readonly final: Uint8Array | null;
  /** What there is beside it. */
  readonly beside: readonly string[];
}

/**
 * Runs the client into the fault, hands what it left to `judge`, and runs it
 * again: then the file must be there, and nothing else.
 */
async function through(
  scene: Scene,
  judge: (aftermath: Aftermath) => void | Promise<void>,
): Promise<void> {
  const { name, overwrite, injections } = scene;
  await using relay = await startRelay();
  await using node = await startNode(relay, { [name]: FILES[name] });
  await node.log.until("hashed");
  await using folder = await tempShare(scene.files);
  const final = join(folder.path, name);
  const partial = partialPathOf(final);
  const args = [
    ...(overwrite ? ["--overwrite"] : []),
    ...[relay.server.relayAddress, "get", name, "-o", `${folder.path}/`],
  ];
  const paths = { partial: [partial], folder: [folder.path], anything: [] };
  const { code, stderr, injected } = await runClientWith(args, {
    injections,
    paths: scene.on === undefined
      ? [final, partial, folder.path]
      : paths[scene.on],
    folder: folder.path,
  });
  const [line = ""] = stderr;
  assert(injected.length > 0, `nothing went wrong: ${code} ${line}`);
  if (code === KILLED) assertEquals(stderr, []);
  else assertEquals(stderr.length, code === 0 ? 0 : 1, stderr.join("\n"));
  const beside = filesIn(folder.path).filter((one) => one !== name);
  const found = await Deno.readFile(final).catch(() => null);
  const wasThere = scene.files?.[name];
  const allowed = [FILES[name], wasThere];
  const isRight = found === null ||
    allowed.some((bytes) => bytes !== undefined && isSame(found, bytes));
  assert(isRight, `${found?.length} wrong bytes under the final name`);
  await judge({ code, line, final: found, beside });

  const again = await runRole("peer_client.ts", args, {
    permissions: [
      `--allow-read=${folder.path}`,
      `--allow-write=${folder.path}`,
    ],
  });
  assertEquals(again.code, 0, again.stderr.join("\n"));
  assert(isSame(await Deno.readFile(final), FILES[name]), "the right bytes");
  assertEquals(filesIn(folder.path), [name], "and nothing beside them");
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Half of what is wanted, from an earlier run. */
function halfOf(name: Name): Record<string, Uint8Array> {
  const half = FILES[name].slice(0, 2 * PIECE);
  return { [partialPathOf(name)]: half };
}

const WORDS: Readonly<Record<string, RegExp>> = {
  ENOSPC: /no space left on the disk/,
  EDQUOT: /disk quota used up/,
  EIO: /the disk reported an input\/output error/,
  EROFS: /the disk is read-only/,
  EMFILE: /too many open files in this process/,
  EACCES: /permission denied by the system/,
  EFBIG: /too large/,
  // No disk that has the partial file says so of the final name.
  EXDEV: /error/i,
};

/** Steps of receiving and publishing, and what they may fail with. */
const FAILURES: readonly {
  call: string;
  errors: readonly string[];
  names: readonly Name[];
  /** Whether it is about a file that others are replaced by. */
  overwrite?: boolean;
  /** What must be kept of what had come: nothing before there was anything. */
  keeps: boolean;
}[] = [
  {
    call: "openat",
    errors: ["EMFILE", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO"],
    names: ["small", "large"],
    keeps: false,
  },
  {
    call: "write",
    errors: ["ENOSPC", "EDQUOT", "EIO", "EFBIG"],
    names: ["small", "large", "huge"],
    keeps: true,
  },
  { call: "ftruncate", errors: ["EIO"], names: ["large"], keeps: true },
  {
    call: "fsync",
    errors: ["EIO", "ENOSPC", "EDQUOT"],
    names: ["small", "large"],
    keeps: true,
  },
  {
    call: "linkat",
    errors: ["EXDEV", "EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES"],
    names: ["small", "large"],
    keeps: true,
  },
  {
    call: "rename",
    errors: ["EXDEV", "EIO", "ENOSPC", "EROFS"],
    names: ["small", "large"],
    overwrite: true,
    keeps: true,
  },
];

for (const { call, errors, names, overwrite = false, keeps } of FAILURES) {
  for (const name of names) {
    for (const error of errors) {
      testWithStrace(
        `A disk that fails: ${error} on ${call} of a ${name} file: nothing published, told, and the next run finishes`,
        () =>
          through({
            name,
            overwrite,
            files: overwrite ? { [name]: OLD } : {},
            on: "partial",
            injections: [{ call, with: error }],
          }, ({ code, line, final, beside }) => {
            assertEquals(code, 8, line);
            assertMatch(line, /^error: Cannot \w+/);
            assertMatch(line, WORDS[error]!);
            assertEquals(final, overwrite ? OLD : null);
            assertEquals(beside, keeps ? [partialPathOf(name)] : []);
          }),
      );
    }
  }
}

for (const name of ["large", "huge"] as const) {
  testWithStrace(
    `A disk that fails in the middle keeps the pieces of a ${name} file that were there, and the next run takes them up`,
    () =>
      through({
        name,
        files: halfOf(name),
        injections: [{ call: "write", with: "ENOSPC" }],
      }, ({ code, line, beside }) => {
        assertEquals([code, beside], [8, [partialPathOf(name)]]);
        assertMatch(line, WORDS["ENOSPC"]!);
      }),
  );
}

// What is there is hashed in the lane, which therefore writes all of the rest.
for (const result of ["0", "EINTR"]) {
  testWithStrace(
    `A write of a lane that takes ${result} is made again`,
    () =>
      through({
        name: "huge",
        files: halfOf("huge"),
        injections: [{ call: "write", with: result }],
      }, (end) =>
        assertEquals([end.code, end.line, end.final?.length], [
          0,
          "",
          FILES.huge.length,
        ])),
  );
}

for (const call of ["write", "fsync", "linkat", "unlink"]) {
  testWithStrace(
    `A client killed at ${call} of a file that a lane writes has published all of it or nothing`,
    () =>
      through({
        name: "huge",
        files: halfOf("huge"),
        injections: [{ call, with: "KILL" }],
      }, ({ code, final }) => {
        assertEquals(code, KILLED);
        assertEquals(
          final?.length,
          call === "unlink" ? FILES.huge.length : undefined,
        );
      }),
  );
}

for (const name of ["small", "large"] as const) {
  for (const error of ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK"]) {
    testWithStrace(
      `A disk without hard links (${error}) gets a ${name} file all the same`,
      () =>
        through(
          { name, injections: [{ call: "linkat", with: error }] },
          (end) =>
            assertEquals([end.code, end.line, end.final?.length], [
              0,
              "",
              FILES[name].length,
            ]),
        ),
    );
  }

  for (
    const [what, result] of [["nothing", "0"], ["EINTR", "EINTR"]] as const
  ) {
    testWithStrace(
      `A write that takes ${what} is made again, for a ${name} file`,
      () =>
        through(
          { name, injections: [{ call: "write", with: result }] },
          (end) =>
            assertEquals([end.code, end.line, end.final?.length], [
              0,
              "",
              FILES[name].length,
            ]),
        ),
    );
  }

  testWithStrace(
    `A partial name that cannot be removed leaves a ${name} file whole under its final name`,
    () =>
      through(
        { name, injections: [{ call: "unlink", with: "EIO" }] },
        (end) => assertEquals(end.final?.length, FILES[name].length),
      ),
  );

  for (const overwrite of [false, true]) {
    const calls = overwrite
      ? ["rename"]
      : ["openat", "write", "utimensat", "fsync", "linkat", "unlink"];
    const more = overwrite || name === "small" ? [] : ["ftruncate", "fchmod"];
    for (const call of [...calls, ...more]) {
      testWithStrace(
        `A client killed at ${call} of a ${name} file${
          overwrite ? " that replaces another" : ""
        } has published all of it or nothing`,
        () =>
          through({
            name,
            overwrite,
            files: overwrite ? { [name]: OLD } : {},
            injections: [{ call, with: "KILL" }],
          }, ({ code, final }) => {
            assertEquals(code, KILLED);
            const isPublished = call === "unlink";
            assertEquals(
              final,
              isPublished ? FILES[name] : overwrite ? OLD : null,
            );
          }),
      );
    }
  }
}

testWithStrace(
  "A client killed at the first unlink anywhere leaves nothing that the next run does not remove",
  () =>
    through({
      name: "large",
      on: "anything",
      injections: [{ call: "unlink", with: "KILL" }],
    }, ({ code }) => assertEquals(code, KILLED)),
);

for (const name of ["small", "large"] as const) {
  for (const call of ["openat", "fsync"]) {
    testWithStrace(
      `A folder that cannot be made durable (EIO on ${call}) is told, and the ${name} file in it is whole`,
      () =>
        through({
          name,
          on: "folder",
          injections: [{ call, with: "EIO" }],
        }, ({ code, line, final }) => {
          assertEquals([code, final?.length], [8, FILES[name].length], line);
          assertMatch(line, /^error: Cannot .* input\/output error/);
        }),
    );
  }
}

testWithStrace(
  "A file is made durable before it gets its name, and its name after that",
  async () => {
    for (const name of ["small", "large"] as const) {
      await using relay = await startRelay();
      await using _node = await startNode(relay, FILES);
      await using folder = await tempShare();
      const final = join(folder.path, name);
      const { code, calls } = await runClientWith(
        [relay.server.relayAddress, "get", name, "-o", `${folder.path}/`],
        {
          calls: ["fsync", "linkat", "unlink"],
          injections: [],
          paths: [final, partialPathOf(final), folder.path],
          folder: folder.path,
        },
      );
      assertEquals(code, 0);
      const order = calls.filter((call, at) => call !== calls[at - 1]);
      assertEquals(order, ["fsync", "linkat", "unlink", "fsync"], name);
    }
  },
);

/** Runs the client beside the test, as a person would start it. */
function startClient(args: readonly string[], folder: string): RoleProcess {
  return spawnRole("peer_client.ts", args, {
    permissions: [`--allow-read=${folder}`, `--allow-write=${folder}`],
  });
}

/** Resolves when a file has so many bytes, as its folder tells of changes. */
async function grown(
  path: string,
  bytes: number,
  watcher: Deno.FsWatcher,
): Promise<void> {
  for await (const _ of watcher) {
    const info = await Deno.lstat(path).catch(() => null);
    if (info !== null && info.size >= bytes) return;
  }
}

Deno.test("A client killed again and again continues each time from what is on the disk", async () => {
  const MIB = 1024 * 1024;
  const bytes = randomBytes(6 * MIB, seededRandom(3));
  await using relay = await startRelay();
  await using node = await startNode(relay, { "f": bytes }, {
    limitRate: 8 * MIB,
  });
  await node.log.until("hashed");
  await using folder = await tempShare();
  const partial = partialPathOf(join(folder.path, "f"));
  const args = [
    ...["--json", relay.server.relayAddress, "get", "f"],
    ...["-o", `${folder.path}/`],
  ];
  for (let kept = MIB; kept < bytes.length; kept += 2 * MIB) {
    using watcher = Deno.watchFs(folder.path);
    await using client = startClient(args, folder.path);
    await within(grown(partial, kept, watcher), "some of the file");
    client.signal("SIGKILL");
    await client.exitCode;
    assertEquals(filesIn(folder.path), [".f.p2p-part"]);
  }
  await using last = startClient(args, folder.path);
  assertEquals(await last.exitCode, 0, last.stderr.all.join());
  const [, resumed = "0"] = await last.stdout.until(
    /"event":"file_resumed".*"bytes":(\d+)/,
  );
  assert(Number(resumed) >= 4 * MIB, `${resumed} bytes were not lost`);
  assert(isSame(await Deno.readFile(join(folder.path, "f")), bytes));
  assertEquals(filesIn(folder.path), ["f"]);
});

for (const when of ["1+", "3+"]) {
  testWithStrace(
    `A node whose disk fails (EIO on read, ${when}) says so of that file alone, and the client goes on with another`,
    async () => {
      await using relay = await startRelay();
      await using share = await tempShare(FILES);
      const { port } = relay.server.address;
      await using _bad = await spawnNodeWith(["127.0.0.1", `${port}`], {
        injections: [{ call: "pread64", with: "EIO", when }],
        paths: [join(share.path, "large")],
        folder: share.path,
      });
      await using folder = await tempShare();
      const alone = await get(relay, folder.path, ["large", "small"]);
      assertEquals(alone.failed, { large: "undelivered" });
      assertEquals(Object.keys(alone.saved), ["small"]);
      const troubles = alone.log.of("node_trouble");
      assertEquals(troubles.map(({ kind }) => kind), ["lost_file"]);
      await using good = await startNode(relay, FILES);
      await good.log.until("hashed");
      const { saved } = await get(relay, folder.path, ["large"]);
      assertEquals(Object.keys(saved), ["large"]);
      assert(
        isSame(await Deno.readFile(join(folder.path, "large")), FILES.large),
      );
    },
  );
}

testWith(
  ["prlimit"],
  "A limit on the size of files ends the client as a crash does, and the next run finishes",
  async () => {
    await using relay = await startRelay();
    await using node = await startNode(relay, FILES);
    await node.log.until("hashed");
    await using folder = await tempShare();
    const args = [
      ...[relay.server.relayAddress, "get", "large"],
      ...["-o", `${folder.path}/`],
    ];
    const permissions = [
      `--allow-read=${folder.path}`,
      `--allow-write=${folder.path}`,
    ];
    // Deno's own caches pass the limit too: what this needs is there before.
    await using before = await tempShare();
    const first = await runRole("peer_client.ts", [
      ...[relay.server.relayAddress, "get", "large", "-o", `${before.path}/`],
    ], {
      permissions: [
        `--allow-read=${before.path}`,
        `--allow-write=${before.path}`,
      ],
    });
    assertEquals(first.code, 0, first.stderr.join("\n"));
    const [deno = "", run = "", ...line] = commandLine("peer_client.ts", args, {
      permissions,
    });
    const limited = await new Deno.Command("prlimit", {
      args: [
        ...[`--fsize=${3 * PIECE}`, "--core=0"],
        ...[deno, run, "--no-code-cache", ...line],
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    assert(!limited.success);
    assertEquals(filesIn(folder.path), [".large.p2p-part"]);
    const again = await runRole("peer_client.ts", args, { permissions });
    assertEquals(again.code, 0, again.stderr.join("\n"));
    assert(
      isSame(await Deno.readFile(join(folder.path, "large")), FILES.large),
    );
    assertEquals(filesIn(folder.path), ["large"]);
  },
);

const mayMount = hasTool("unshare") && new Deno.Command("unshare", {
  args: ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"],
  stdout: "null",
  stderr: "null",
}).outputSync().success;

/**
 * A test on a disk of its own, with these mount options: `script` runs the
 * client as `"$@"`, with `$FOLDER` for where it saves. In a namespace of its own,
 * whoever runs this may mount one.
 */
function testOnDisk(
  name: string,
  { options, script, shared, wanted }: {
    options: string;
    script: string;
    shared: Readonly<Record<string, Uint8Array>>;
    wanted: string;
  },
  judge: (stdout: string[], stderr: string) => void,
): void {
  Deno.test({
    name: mayMount ? name : `${name} (skipped: no disk may be mounted here)`,
    ignore: !mayMount,
    fn: async () => {
      await using relay = await startRelay();
      await using node = await startNode(relay, shared);
      await node.log.until("hashed");
      await using folder = await tempShare();
      const client = commandLine("peer_client.ts", [
        ...["--quiet", relay.server.relayAddress, "get", wanted],
        ...["-o", `${folder.path}/`],
      ], {
        permissions: [
          `--allow-read=${folder.path}`,
          `--allow-write=${folder.path}`,
        ],
      });
      const mounted = `mount -t tmpfs -o ${options} none "$FOLDER" && `;
      const { stdout, stderr } = await new Deno.Command("unshare", {
        args: ["-Urm", "sh", "-c", mounted + script, "sh", ...client],
        env: { NO_COLOR: "1", FOLDER: folder.path },
      }).output();
      const decoder = new TextDecoder();
      const lines = decoder.decode(stdout).split("\n").slice(0, -1);
      judge(lines, decoder.decode(stderr));
    },
  });
}

testOnDisk(
  "A disk that is full in the middle of a write keeps what it took, and when there is room the next run finishes",
  {
    options: "size=2M",
    shared: FILES,
    wanted: "large",
    script: `
      head -c 1200000 /dev/zero > "$FOLDER/filler"
      "$@"; echo "first run: $?"
      ls -A "$FOLDER"
      rm "$FOLDER/filler"
      "$@"; echo "second run: $?"
      ls -A "$FOLDER"
      sha256sum < "$FOLDER/large"
    `,
  },
  (stdout, stderr) => {
    assertMatch(stderr, /^error: Cannot save file .*no space left on the disk/);
    assertEquals(stdout, [
      "first run: 8",
      ".large.p2p-part",
      "filler",
      "second run: 0",
      "large",
      `${sha256(FILES.large).toHex()}  -`,
    ]);
  },
);

testOnDisk(
  "A disk that has room for no more than one folder says so of the one inside of it",
  {
    options: "size=2M,nr_inodes=2", // the first is the disk's own folder
    shared: { "a/b/f": FILES.small },
    wanted: "a/",
    script: '"$@"; echo "run: $?"',
  },
  (stdout, stderr) => {
    assertMatch(
      stderr,
      /^error: Cannot make folder .*no space left on the disk/,
    );
    assertEquals(stdout, ["run: 8"]);
  },
);
