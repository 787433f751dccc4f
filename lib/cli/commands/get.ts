/**
 * The command `get`: chooses where files go, and reports the outcome.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { getFiles, type Selection } from "../../client/get.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import {
  describeCause,
  EXIT_CODE,
  Failure,
  isInterruption,
  localKindOf,
} from "../../base/errors.ts";
import { grantRemedy, isGranted, savingRemedy } from "../../base/permission.ts";
import { show } from "../../base/text.ts";
import { requireLooking, requireSaving } from "../options/text_file.ts";
import { collectInClient } from "../roles/memory.ts";
import type { CommandLine } from "../options/command_line.ts";
import { badValue, given } from "../options/values.ts";
import { ReceiptWriter } from "./receipt.ts";
import { Conclusion } from "./conclusion.ts";
import { SingleCopies } from "../output/single_copies.ts";
import { MOST_PRINTED, Saved } from "./saved.ts";
import { Planned } from "./planned.ts";
import { swarmOptions } from "./swarming.ts";
import { EventPrinter } from "./event_printer.ts";
import { triedOn } from "../output/tried.ts";
import type { Terminal } from "../output/terminal.ts";

/** The path of a file on the disk. */
type PathOf = (name: string, selection: Selection) => string;

/** Surroundings of {@linkcode runGet}. */
export interface GetContext {
  readonly options: TransferOptions;
  readonly terminal: Terminal;
  readonly line: CommandLine;
  /** The SHA-256 of each file, if only such files are wanted. */
  readonly sums?: ReadonlyMap<string, string> | undefined;
}

/** Runs the command; resolves to its exit code. */
export async function runGet(
  selections: readonly Selection[],
  context: GetContext,
): Promise<number> {
  const { options, terminal, line, sums } = context;
  requireOneName(selections, context);
  const isDry = line.isOn("dry-run");
  const { folder, pathOf } = await destination(
    line.value("output"),
    selections,
    {
      isDry,
      keepsFolders: sums !== undefined,
    },
  );
  const receipt = receiptFor(line, options);
  await receipt?.check();
  const stop = new AbortController();
  const printer = new EventPrinter(terminal);
  const saved = new (isDry ? Planned : Saved)(terminal, {
    isVerbose: line.isOn("verbose"),
  });
  const replicas = new SingleCopies({ isChosen: options.node !== undefined });
  const conclusion = new Conclusion({
    ...{ terminal, saved, replicas, receipt },
    mayGoOn: line.get("wait") !== undefined,
  });
  using _collecting = collectInClient();
  try {
    const { failed } = await getFiles({
      ...options,
      ...fetchOptionsOf(context),
      signal: AbortSignal.any([
        stop.signal,
        ...options.signal ? [options.signal] : [],
      ]),
      selections,
      folder,
      pathOf: pathOrStop(pathOf, receipt, stop),
      onEvent: (event) => {
        conclusion.note(event);
        printer.onEvent(event);
      },
    });
    terminal.status("");
    stop.signal.throwIfAborted();
    await conclusion.print();
    return report([...failed.values()], terminal);
  } catch (error) {
    terminal.status("");
    if (isDry || !isInterruption(error)) throw error;
    saved.summarize();
    throw stopped();
  }
}

/** Gives paths. If there is none for a file, or no receipt, the fetch stops. */
function pathOrStop(
  place: PathOf,
  receipt: ReceiptWriter | undefined,
  stop: AbortController,
): PathOf {
  return (name, selection) => {
    try {
      const path = place(name, selection);
      receipt?.expect(name, path);
      return path;
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  };
}

/** The failure of a fetch that the user has interrupted. */
function stopped(): Failure {
  return new Failure("interrupted", {
    what: "Stopped",
    why: "interrupted; the bytes received so far are kept",
    remedy: "run the same command again to continue",
  });
}

/** Refuses options for one file if there may be several. */
function requireOneName(
  selections: readonly Selection[],
  { options, line }: GetContext,
): void {
  if (selections.length === 1 && selections[0]?.kind === "name") return;
  const needing = { sha256: options.sha256, base: line.value("base") };
  for (const [name, value] of Object.entries(needing)) {
    if (value === undefined) continue;
    throw badValue(name, value, "it needs exactly one file name");
  }
}

/** How to fetch and save, as far as the command line says. */
function fetchOptionsOf({ line, terminal, sums }: GetContext) {
  const dryRun = line.isOn("dry-run");
  const wait = line.get("wait");
  const swarm = swarmOptions(line, terminal);
  return {
    overwrite: line.isOn("overwrite"),
    sync: !line.isOn("no-sync"),
    dryRun,
    ...given({
      sums,
      waitMs: wait === undefined ? undefined : 1_000 * wait,
      base: line.value("base"),
      swarm: dryRun ? undefined : swarm,
    }),
  };
}

function receiptFor(
  line: CommandLine,
  { relay, plaintext = false }: TransferOptions,
): ReceiptWriter | undefined {
  const path = line.value("receipt");
  if (path !== undefined && line.isOn("dry-run")) {
    throw badValue("receipt", path, "with --dry-run nothing is saved");
  }
  return path === undefined ? undefined : new ReceiptWriter({
    path,
    overwrite: line.isOn("overwrite"),
    relay,
    encrypted: !plaintext,
  });
}

/** Where files are saved. */
export interface Destination {
  /** The folder that the user chose. */
  readonly folder: string;
  /** Gives each file its path. */
  readonly pathOf: PathOf;
}

/**
 * The folder for files, and the path of each. A name is saved under its last
 * component. A file that matches a pattern or lies in a folder keeps its
 * folders.
 *
 * @throws {Failure} of kind `local`, before any request, if the folder does not
 * exist. A dry run needs to read it, and not to write there.
 */
export async function destination(
  output: string | undefined,
  selections: readonly Selection[],
  { isDry = false, keepsFolders = false } = {},
): Promise<Destination> {
  const place = output ?? ".";
  const require = isDry ? requireLooking : requireSaving;
  const [only] = selections;
  const mayBeFile = selections.length === 1 && only?.kind === "name";
  if (!isGranted({ name: "read", path: place })) {
    require(place, mayBeFile ? { remedy: savingRemedy(place) } : {});
  }
  const isFolder = place.endsWith("/") || await isDirectory(place);
  require(isFolder ? place : dirname(place), { where: place });
  if (!isFolder && (selections.length > 1 || only?.kind === "matching")) {
    throw await noFolderThere(place);
  }
  if (!isFolder) {
    const parent = place.includes("/")
      ? place.slice(0, place.lastIndexOf("/"))
      : ".";
    if (parent !== "" && !await isDirectory(parent)) {
      throw await noFolderThere(parent);
    }
    const notThere = await noFolderThere(place);
    const pathOf: PathOf = (_name, { kind }) => {
      // A name may turn out to be that of a folder.
      if (kind === "matching") throw notThere;
      return place;
    };
    return { folder: dirname(place), pathOf };
  }
  // A folder that is missing is made with the first file.
  if (!await isDirectory(place) && await isThere(place)) {
    throw await noFolderThere(place);
  }
  // Joined once: it takes longer than all else that is done for a name.
  const before = join(place, "-").slice(0, -1);
  const pathOf: PathOf = (name, { kind }) =>
    before +
    (kind === "name" && !keepsFolders
      ? name.slice(name.lastIndexOf("/") + 1)
      : name);
  return { folder: place, pathOf };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw noFolder(path, describeCause(error), error);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path.replace(/\/+$/, "") || "/");
    return true;
  } catch {
    return false;
  }
}

/** Says why a path is not a usable folder. */
async function noFolderThere(path: string): Promise<Failure> {
  if (!await isThere(path)) return noFolder(path, "no such folder");
  return new Failure("local", {
    what: "Cannot save to",
    where: show(path),
    why: "not a folder",
    remedy: "name a folder with -o",
  });
}

function noFolder(path: string, why: string, cause?: unknown): Failure {
  return new Failure(localKindOf(cause), {
    what: "Cannot save to",
    where: show(path),
    why,
    remedy: cause instanceof Deno.errors.NotCapable
      ? grantRemedy([path], "read", "write")
      : "create it first, or choose another with -o",
    cause,
  });
}

// If several files failed, the exit code is that of the first kind in this
// list.
const WORST_FIRST = [
  "corrupt",
  "local",
  "undelivered",
  "not_allowed",
  "not_found",
] as const;

function report(failures: readonly Failure[], terminal: Terminal): number {
  for (const failure of failures.slice(0, MOST_PRINTED)) {
    terminal.error(triedOn(terminal).explained(failure));
  }
  if (failures.length > MOST_PRINTED) {
    terminal.note(`and ${failures.length - MOST_PRINTED} more files failed`);
  }
  const worst = WORST_FIRST.find((kind) =>
    failures.some((failure) => failure.kind === kind)
  );
  return worst === undefined ? 0 : EXIT_CODE[worst];
}
