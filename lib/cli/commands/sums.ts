/**
 * The command `sums`: the SHA-256 of files, for `sha256sum -c`.
 *
 * @module
 */

import { LIMITS } from "../../base/limits.ts";
import { checkedName } from "../../client/transfer_options.ts";
import type { CommandLine } from "../options/command_line.ts";
import { readBounded } from "../options/text_file.ts";
import { badValue } from "../options/values.ts";
import { EXIT_CODE, Failure, type FailureKind } from "../../base/errors.ts";
import { show, showWhole } from "../../base/text.ts";
import { withNearest } from "../../client/failures.ts";
import { folderSelection } from "../../client/selections.ts";
import { type FileSum, sumFiles, type SumsOptions } from "../../client/sums.ts";
import { isHidden } from "../../content/glob.ts";
import { NearestNames } from "../../content/nearest.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { EVERYTHING, parseSelection } from "../options/selection.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { formatSum, parseSums } from "../output/sums.ts";
import type { Terminal } from "../output/terminal.ts";
import { collectInClient } from "../roles/memory.ts";
import { EventPrinter } from "./event_printer.ts";

/** Runs the command; resolves to its exit code. */
export async function runSums(
  pattern: string | undefined,
  { options, terminal }: { options: TransferOptions; terminal: Terminal },
): Promise<number> {
  const { onEvent } = new EventPrinter(terminal);
  using _collecting = collectInClient();
  const nearest = pattern === undefined ? undefined : new NearestNames(pattern);
  for (const wanted of meaningsOf(pattern, nearest)) {
    let count = 0;
    let worst: FailureKind | undefined;
    for await (const sum of sumFiles({ ...options, ...wanted, onEvent })) {
      count++;
      terminal.status("");
      if ("failure" in sum) {
        terminal.error(sum.failure);
        worst ??= sum.failure.kind;
      } else await printSum(sum, { terminal, signal: options.signal });
    }
    terminal.status("");
    if (worst !== undefined) return EXIT_CODE[worst];
    if (count > 0) return 0;
  }
  const failure = new Failure("not_found", {
    what: "Cannot list files",
    ...(pattern === undefined ? {} : { where: show(pattern) }),
    why: "no active node has a file that matches",
    remedyCode: "see_files",
  });
  throw withNearest(failure, nearest?.names ?? []);
}

/** Which files to list. */
type Wanted = Pick<SumsOptions, "name" | "prefix" | "matches" | "leavesOut">;

/**
 * What the user may mean: exactly that name, or, if no file has it, its folder
 * and all names that end in it, as `get` finds them.
 */
function meaningsOf(
  pattern: string | undefined,
  nearest: NearestNames | undefined,
): Wanted[] {
  const selection = pattern === undefined
    ? EVERYTHING
    : parseSelection(pattern);
  if (selection.kind === "matching") return [selection];
  const { name } = selection;
  const folder = folderSelection(name);
  const endsIn = (listed: string) =>
    listed.endsWith(`/${name}`) && !isHidden(listed.slice(0, -name.length));
  return [
    { name, prefix: name, matches: (listed) => listed === name },
    {
      matches: (listed) => {
        nearest?.note(listed);
        return folder.matches(listed) || endsIn(listed);
      },
    },
  ];
}

/**
 * The SHA-256 of each name in the file of `--sums`, if there is one.
 *
 * @throws {Failure} of kind `local` or `usage` if it is not such a file.
 */
export async function readSums(
  line: CommandLine,
): Promise<ReadonlyMap<string, string> | undefined> {
  const path = line.value("sums");
  if (path === undefined) return undefined;
  const sha256 = line.value("sha256");
  if (sha256 !== undefined) {
    throw badValue(
      "sha256",
      sha256,
      "--sums already gives the SHA-256 of each file",
    );
  }
  const text = await readBounded(path, {
    what: "Cannot read sums",
    mostBytes: LIMITS.sumsFileBytes,
    remedy: "name a file that sums or sha256sum wrote",
  });
  const found = parseSums(text);
  if (found instanceof Map && found.size > 0) {
    return new Map(
      Array.from(found, ([name, sum]) => [
        checkedName(name.replace(/^(\.\/+)+/, "")),
        sum,
      ]),
    );
  }
  throw new Failure("usage", {
    what: "Cannot use sums",
    where: show(path),
    why: found instanceof Map
      ? "the file is empty"
      : `line ${found.line} is not SHA-256, two spaces and name, or ` +
        "contradicts an earlier line",
    remedy: "name a file that sums or sha256sum wrote",
  });
}

async function printSum(
  { name, size: bytes, sha256 }: Extract<FileSum, { sha256: string }>,
  { terminal, signal }: {
    terminal: Terminal;
    signal: AbortSignal | undefined;
  },
): Promise<void> {
  const event = { event: "file_sum", name, bytes, sha256 } satisfies CliEvent;
  await terminal.events([event], signal);
  // For people escaped, as all text from strangers; for programs unchanged.
  const line = Deno.stdout.isTerminal()
    ? `${sha256}  ${showWhole(name)}`
    : formatSum(sha256, name);
  await terminal.facts([line], signal);
}
