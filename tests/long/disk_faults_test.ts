/**
 * Writes that take less, disks without hard links, files that a node cannot
 * read, and disks without room: the file arrives, or one line says why not.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { sha256 } from "../../lib/base/hash.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { filesIn, get } from "../client/_outcomes.ts";
import { commandLine, runRole } from "../e2e/_processes.ts";
import { hasTool, testWith } from "../_tools.ts";
import { spawnNodeWith, testWithStrace } from "./_strace.ts";
import { FILES, halfOf, isSame, PIECE, through } from "./_disk_faults.ts";

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

for (const name of ["small", "large"] as const) {
  for (const error of ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK"]) {
    testWithStrace(
      `A disk without hard links (${error}) saves a ${name} file nevertheless`,
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
}

// strace counts the reads of each thread: of a file of few pieces, each may have
// too few for a third.
for (const [when, name] of [["1+", "large"], ["3+", "huge"]] as const) {
  testWithStrace(
    `A node whose disk fails (EIO on read, ${when}) reports only that file, and the client continues with another`,
    async () => {
      await using relay = await startRelay();
      await using share = await tempShare(FILES);
      const { port } = relay.server.address;
      await using _bad = await spawnNodeWith(["127.0.0.1", `${port}`], {
        injections: [{ call: "pread64", with: "EIO", when }],
        paths: [join(share.path, name)],
        folder: share.path,
      });
      await using folder = await tempShare();
      const alone = await get(relay, folder.path, [name, "small"]);
      assertEquals(alone.failed, { [name]: "undelivered" });
      assertEquals(Object.keys(alone.saved), ["small"]);
      const troubles = alone.log.of("node_trouble");
      assertEquals(troubles.map(({ kind }) => kind), ["lost_file"]);
      await using good = await startNode(relay, FILES);
      await good.log.until("hashed");
      const { saved } = await get(relay, folder.path, [name]);
      assertEquals(Object.keys(saved), [name]);
      assert(
        isSame(await Deno.readFile(join(folder.path, name)), FILES[name]),
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
 * this test may mount one.
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
  "A disk that is full in the middle of a write keeps the written bytes, and the next run finishes when there is room",
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
  "A disk with room for only one folder: the folder inside it is reported",
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
