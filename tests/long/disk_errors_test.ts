/**
 * A disk that reports errors while a file is received, at each step: nothing
 * wrong is under the final name, what had come is kept, and the same command
 * brings the rest. The client is the real one, with the documented permissions;
 * strace injects the errors.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { startNode, startRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import { runClientWith, testWithStrace } from "./_strace.ts";
import { FILES, halfOf, type Name, OLD, through } from "./_disk_faults.ts";

const WORDS: Readonly<Record<string, RegExp>> = {
  ENOSPC: /no space left on the disk/,
  EDQUOT: /disk quota exceeded/,
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
    names: ["small", "large", "huge"],
    keeps: false, // the system may have lost what it accepted
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
        `A disk that fails: ${error} on ${call} of a ${name} file: nothing published, reported, and the next run finishes`,
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
    `A disk that fails in the middle keeps the pieces of a ${name} file that were there, and the next run uses them`,
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

for (const name of ["small", "large"] as const) {
  for (
    const [call, error] of [
      ["openat", "EIO"],
      ["fsync", "EIO"],
      ["fsync", "ENOSPC"],
    ] as const
  ) {
    testWithStrace(
      `A folder that cannot be made durable (${error} on ${call}) is reported, and the ${name} file in it is whole`,
      () =>
        through({
          name,
          on: "folder",
          injections: [{ call, with: error }],
        }, ({ code, line, final }) => {
          assertEquals([code, final?.length], [8, FILES[name].length], line);
          assertMatch(line, /^error: Cannot /);
          assertMatch(line, WORDS[error]!);
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
