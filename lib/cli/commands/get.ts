/**
 * The command `get`: chooses where files go, and reports the outcome.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import type { ClientEvent } from "../../client/events.ts";
import { getFiles, type Selection } from "../../client/get.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import {
  describeCause,
  EXIT_CODE,
  Failure,
  localKindOf,
} from "../../base/errors.ts";
import { grantRemedy, isGranted, savingRemedy } from "../../base/permission.ts";
import { counted, show, showWhole } from "../../base/text.ts";
import { requireSaving } from "../options/text_file.ts";
import { collectInTime, ofClient } from "../roles/memory.ts";
import type { CommandLine } from "../options/command_line.ts";
import { badValue } from "../options/values.ts";
import type { Delivery } from "../../client/deliveries.ts";
import type { ListedNode } from "../../client/nodes.ts";
import { formatBytes } from "../output/progress.ts";
import { ReceiptWriter } from "./receipt.ts";
import { Replicas } from "../output/replicas.ts";
import { Telling } from "./telling.ts";
import { triedOn } from "../output/tried.ts";
import type { Terminal } from "../output/terminal.ts";

// If there are more files, only their number is printed.
const MOST_TOLD = 20;

/** Runs the command; resolves to its exit code. */
export async function runGet(
  selections: readonly Selection[],
  { options, terminal, line }: {
    options: TransferOptions;
    terminal: Terminal;
    line: CommandLine;
  },
): Promise<number> {
  const isOne = selections.length === 1 && selections[0]?.kind === "name";
  if (options.sha256 !== undefined && !isOne) {
    throw badValue("sha256", options.sha256, "it goes with one name");
  }
  const base = line.value("base");
  if (base !== undefined && !isOne) {
    throw badValue("base", base, "it goes with one name");
  }
  const place = await destination(line.value("output"), selections);
  const receipt = receiptFor(line, options);
  await receipt?.check();
  // If the receipt fails, the fetch stops.
  const stop = new AbortController();
  const signals = [stop.signal, ...options.signal ? [options.signal] : []];
  const pathOf = (name: string, selection: Selection) => {
    const path = place(name, selection);
    try {
      receipt?.expect(name, path);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
    return path;
  };
  const telling = new Telling(terminal);
  const saved = new Saved(terminal);
  const replicas = new Replicas({ isChosen: options.node !== undefined });
  using _collecting = collectInTime(ofClient());
  try {
    const { failed } = await getFiles({
      ...options,
      signal: AbortSignal.any(signals),
      selections,
      pathOf,
      overwrite: line.isOn("overwrite"),
      ...(base === undefined ? {} : { base }),
      onEvent: (event) => {
        saved.note(event);
        replicas.note(event);
        receipt?.note(event);
        telling.onEvent(event);
      },
    });
    terminal.status("");
    stop.signal.throwIfAborted();
    saved.summarize();
    replicas.warn(terminal);
    await tellReceipt(receipt, terminal);
    triedOn(terminal).tell(terminal);
    return report([...failed.values()], terminal);
  } catch (error) {
    terminal.status("");
    const failure = error instanceof Failure ? error : undefined;
    if (failure?.kind !== "interrupted") throw error;
    saved.summarize();
    throw new Failure("interrupted", {
      what: "Stopped",
      why: "interrupted; the bytes received so far are kept",
      remedy: "run the same command again to continue",
    });
  }
}

function receiptFor(
  line: CommandLine,
  { relay, plaintext = false }: TransferOptions,
): ReceiptWriter | undefined {
  const path = line.value("receipt");
  return path === undefined ? undefined : new ReceiptWriter({
    path,
    overwrite: line.isOn("overwrite"),
    relay,
    encrypted: !plaintext,
  });
}

async function tellReceipt(
  receipt: ReceiptWriter | undefined,
  terminal: Terminal,
): Promise<void> {
  if (receipt === undefined) return;
  const files = await receipt.write();
  const { path } = receipt.options;
  if (files === 0) return terminal.note("nothing to write a receipt of");
  terminal.note(
    `receipt of ${counted(files, "file")}: ${showWhole(path)}`,
  );
  terminal.event({ event: "receipt_written", path, files });
}

/**
 * The function that gives each file its path. A name is saved under its last
 * component. A file that matches a pattern or lies in a folder keeps its
 * folders.
 *
 * @throws {Failure} of kind `local`, before any request, if the folder does not
 * exist.
 */
export async function destination(
  output: string | undefined,
  selections: readonly Selection[],
): Promise<(name: string, selection: Selection) => string> {
  const place = output ?? ".";
  const [only] = selections;
  const mayBeFile = selections.length === 1 && only?.kind === "name";
  if (!isGranted({ name: "read", path: place })) {
    requireSaving(place, mayBeFile ? { remedy: savingRemedy(place) } : {});
  }
  const isFolder = place.endsWith("/") || await isDirectory(place);
  requireSaving(isFolder ? place : dirname(place), { where: place });
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
    return () => place;
  }
  if (!await isDirectory(place)) throw await noFolderThere(place);
  return (name, selection) =>
    join(place, selection.kind === "name" ? name.split("/").at(-1)! : name);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw noFolder(path, describeCause(error), error);
  }
}

/** Says why a path is not a usable folder. */
async function noFolderThere(path: string): Promise<Failure> {
  try {
    await Deno.lstat(path);
  } catch {
    return noFolder(path, "no such folder");
  }
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

/** Prints the saved files, one by one while they are few. */
export class Saved {
  readonly #terminal: Terminal;
  readonly #startedAt = performance.now();
  readonly #received = { files: 0, bytes: 0 };
  readonly #present = { files: 0, bytes: 0 };
  /** Files of which something was kept. */
  #keptFiles = 0;
  /** Bytes of zeros that no node had to send, by name. */
  readonly #zeros = new Map<string, number>();
  /** The bytes and nodes of this run. */
  readonly #brought = { bytes: 0, relayed: 0, nodes: new Set<string>() };

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    if (event.event === "file_resumed") {
      const { name, bytes } = event;
      const amount = formatBytes(bytes);
      this.#tell(`${showWhole(name)}: ${amount} are here from an earlier run`);
    } else if (event.event === "file_kept") {
      if (++this.#keptFiles <= MOST_TOLD) this.#tell(keptInWords(event));
    } else if (event.event === "zeros_skipped") {
      this.#zeros.set(event.name, event.bytes);
    } else if (event.event === "file_present") {
      this.#present.bytes += event.bytes;
      if (++this.#present.files > MOST_TOLD) return;
      this.#tell(`${showWhole(event.path)} is here already, verified`);
    } else if (event.event === "file_received") {
      this.#noteReceived(event);
    }
  }

  #noteReceived(event: ClientEvent & { event: "file_received" }): void {
    this.#received.bytes += event.bytes;
    for (const { node, bytes, paths } of event.from) {
      this.#brought.nodes.add(node.id);
      this.#brought.bytes += bytes;
      this.#brought.relayed += paths.tunnel;
    }
    const zeros = this.#zeros.get(event.name);
    this.#zeros.delete(event.name);
    if (++this.#received.files > MOST_TOLD) return;
    const names = event.from.map(nodeInWords);
    const from = names.length === 0 ? "" : `, from ${names.join(", ")}`;
    const path = showWhole(event.path ?? "");
    const empty = zeros === undefined
      ? ""
      : `, ${formatBytes(zeros)} of them zeros`;
    this.#tell(`saved ${path}, ${counted(event.bytes, "byte")}${empty}${from}`);
  }

  /** Prints a line about all files together. */
  summarize(): void {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const [received, present] = [this.#received, this.#present];
    const untold = Math.max(0, received.files - MOST_TOLD) +
      Math.max(0, present.files - MOST_TOLD);
    if (untold > 0) this.#tell(`and ${counted(untold, "file")} more`);
    if (received.files > 0) {
      this.#tell(
        `${amountInWords(received)}${this.#broughtInWords()} in ` +
          `${secondsInWords(seconds)} ${this.#rateInWords(seconds)}`,
      );
    }
    if (present.files > 0 && present.files + received.files > 1) {
      const time = received.files > 0 ? "" : ` in ${secondsInWords(seconds)}`;
      this.#tell(`${amountInWords(present)} here already, verified${time}`);
    }
  }

  /** How much came over the line, where that is not all of what was saved. */
  #broughtInWords(): string {
    const { bytes } = this.#brought;
    return bytes < this.#received.bytes
      ? `, ${formatBytes(bytes)} of it received,`
      : "";
  }

  /** The average rate, and the nodes. */
  #rateInWords(seconds: number): string {
    const { bytes, relayed, nodes } = this.#brought;
    const rate = formatBytes(bytes / Math.max(seconds, 0.001));
    return [
      `(${rate}/s)`,
      ...(nodes.size === 0 ? [] : [`from ${counted(nodes.size, "node")}`]),
      ...(relayed === 0
        ? []
        : [`${formatBytes(relayed)} of it through the relay`]),
    ].join(", ");
  }

  #tell(line: string): void {
    this.#terminal.note(line);
  }
}

/** How much of an older file was kept. */
function keptInWords(
  { name, path, base, bytes }: ClientEvent & { event: "file_kept" },
): string {
  const from = base === path ? "the file that it replaces" : showWhole(base);
  return `${showWhole(name)}: ${
    formatBytes(bytes)
  } kept from ${from}, verified`;
}

/** The number of files, and their size. */
function amountInWords(
  { files, bytes }: { files: number; bytes: number },
): string {
  return `${counted(files, "file")}, ${formatBytes(bytes)}`;
}

function secondsInWords(seconds: number): string {
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** A node that delivered, and its path if that is unusual. */
function nodeInWords({ node, bytes, paths }: Delivery<ListedNode>): string {
  const name = show(node.name);
  if (paths.tunnel === 0) return name;
  const part = paths.tunnel === bytes
    ? ""
    : `, ${formatBytes(paths.tunnel)} of ${formatBytes(bytes)}`;
  return `${name} (through the relay${part})`;
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
  for (const failure of failures.slice(0, MOST_TOLD)) {
    terminal.error(triedOn(terminal).explained(failure));
  }
  if (failures.length > MOST_TOLD) {
    terminal.note(`and ${failures.length - MOST_TOLD} more files failed`);
  }
  const worst = WORST_FIRST.find((kind) =>
    failures.some((failure) => failure.kind === kind)
  );
  return worst === undefined ? 0 : EXIT_CODE[worst];
}
