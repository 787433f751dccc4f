/**
 * Prints which files a `get` has saved, and the totals.
 *
 * @module
 */

import type { Delivery } from "../../client/deliveries.ts";
import type { ClientEvent } from "../../client/events.ts";
import type { ListedNode } from "../../client/nodes.ts";
import { counted, show, showWhole } from "../../base/text.ts";
import { namesOn, type NodeNames } from "../output/node_names.ts";
import { formatBytes } from "../../base/units.ts";
import type { Terminal } from "../output/terminal.ts";

/** If there are more files, only their number is printed. */
export const MOST_PRINTED = 20;

/** Options of {@linkcode Saved}. */
export interface SavedOptions {
  /** Names every file, even if there are many. */
  readonly isVerbose?: boolean;
}

/** Prints the saved files, one by one while they are few. */
export class Saved {
  readonly #terminal: Terminal;
  readonly #mostPrinted: number;
  readonly #startedAt = performance.now();
  readonly #received = { files: 0, bytes: 0 };
  readonly #present = { files: 0, bytes: 0 };
  /** Files of which a part was kept. */
  #keptFiles = 0;
  /** Bytes of zeros that no node had to send, by name. */
  readonly #zeros = new Map<string, number>();
  readonly #isVerbose: boolean;
  /** The bytes and nodes of this run. */
  readonly #brought = { bytes: 0, relayed: 0, nodes: new Set<string>() };
  /** How many of these bytes other clients sent. */
  readonly #swarm = { bytes: 0, holders: new Set<string>() };

  constructor(terminal: Terminal, { isVerbose = false }: SavedOptions = {}) {
    this.#terminal = terminal;
    this.#isVerbose = isVerbose;
    this.#mostPrinted = isVerbose ? Infinity : MOST_PRINTED;
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    if (event.event === "files_wanted") {
      this.#noteWanted(event);
    } else if (event.event === "file_resumed") {
      const { name, bytes } = event;
      const amount = formatBytes(bytes);
      this.#print(`${showWhole(name)}: ${amount} are here from an earlier run`);
    } else if (event.event === "file_kept") {
      if (++this.#keptFiles <= this.#mostPrinted) {
        this.#print(keptInWords(event));
      }
    } else if (event.event === "zeros_skipped") {
      this.#zeros.set(event.name, event.bytes);
    } else if (event.event === "file_present") {
      this.#present.bytes += event.bytes;
      if (++this.#present.files > this.#mostPrinted) return;
      this.#print(`${showWhole(event.path)} is here already, verified`);
    } else if (event.event === "file_received") {
      this.#noteReceived(event);
    }
  }

  /** At a terminal, prints the size of a long list before it begins. */
  #noteWanted({ files, bytes }: { files: number; bytes: number }): void {
    if (files <= MOST_PRINTED || !this.#terminal.showsStatus) return;
    this.#print(`${amountInWords({ files, bytes })} to get`);
  }

  #noteReceived(event: ClientEvent & { event: "file_received" }): void {
    this.#received.bytes += event.bytes;
    for (const { node, isHolder, bytes, paths } of event.from) {
      if (isHolder) {
        this.#swarm.holders.add(node.id);
        this.#swarm.bytes += bytes;
      } else this.#brought.nodes.add(node.id);
      this.#brought.bytes += bytes;
      this.#brought.relayed += paths.tunnel;
    }
    const zeros = this.#zeros.get(event.name);
    this.#zeros.delete(event.name);
    if (++this.#received.files > this.#mostPrinted) return;
    const names = this.#sourcesInWords(event.from);
    const from = names.length === 0 ? "" : `, from ${names.join(", ")}`;
    const path = showWhole(event.path ?? "");
    const empty = zeros === undefined
      ? ""
      : `, ${formatBytes(zeros)} of them zeros`;
    this.#print(
      `saved ${path}, ${counted(event.bytes, "byte")}${empty}${from}`,
    );
  }

  /** The nodes by name; other clients are counted, unless names are wanted. */
  #sourcesInWords(from: readonly Delivery<ListedNode>[]): string[] {
    const known = namesOn(this.#terminal);
    const holders = from.filter(({ isHolder }) => isHolder);
    const words = from.filter(({ isHolder }) => !isHolder)
      .map((one) => nodeInWords(one, known));
    if (holders.length === 0) return words;
    return this.#isVerbose
      ? [...words, ...holders.map(holderInWords)]
      : [...words, counted(holders.length, "machine")];
  }

  /** Prints a line about all files together. */
  summarize(): void {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const [received, present] = [this.#received, this.#present];
    const unprinted = Math.max(0, received.files - this.#mostPrinted) +
      Math.max(0, present.files - this.#mostPrinted);
    if (unprinted > 0) this.#print(`and ${counted(unprinted, "file")} more`);
    if (received.files > 0) {
      this.#print(
        `${amountInWords(received)}${this.#broughtInWords()} in ` +
          `${secondsInWords(seconds)} ${this.#rateInWords(seconds)}`,
      );
    }
    if (present.files > 0 && present.files + received.files > 1) {
      const time = received.files > 0 ? "" : ` in ${secondsInWords(seconds)}`;
      this.#print(`${amountInWords(present)} here already, verified${time}`);
    }
  }

  /** How many bytes were received, if fewer than were saved. */
  #broughtInWords(): string {
    const { bytes } = this.#brought;
    return bytes < this.#received.bytes
      ? `, ${formatBytes(bytes)} of it received,`
      : "";
  }

  /** The average rate, and the nodes. */
  #rateInWords(seconds: number): string {
    const { bytes, relayed } = this.#brought;
    const rate = formatBytes(bytes / Math.max(seconds, 0.001));
    return [
      `(${rate}/s)`,
      ...this.#partsInWords(),
      ...(relayed === 0
        ? []
        : [`${formatBytes(relayed)} of it through the relay`]),
    ].join(", ");
  }

  /** `from 6 machines 61.0 MB`, `from the seed 3.0 MB`; or `from 2 nodes`. */
  #partsInWords(): string[] {
    const { bytes, nodes } = this.#brought;
    const swarm = this.#swarm;
    if (swarm.holders.size === 0) {
      return nodes.size === 0 ? [] : [`from ${counted(nodes.size, "node")}`];
    }
    const machines = counted(swarm.holders.size, "machine");
    const seeds = nodes.size === 1 ? "the seed" : `${nodes.size} seeds`;
    return [
      `from ${machines} ${formatBytes(swarm.bytes)}`,
      ...(nodes.size === 0
        ? []
        : [`from ${seeds} ${formatBytes(bytes - swarm.bytes)}`]),
    ];
  }

  #print(line: string): void {
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
export function amountInWords(
  { files, bytes }: { files: number; bytes: number },
): string {
  return `${counted(files, "file")}, ${formatBytes(bytes)}`;
}

function secondsInWords(seconds: number): string {
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** A node that delivered, and its path if that is unusual. */
function nodeInWords(
  { node, bytes, paths }: Delivery<ListedNode>,
  names: NodeNames,
): string {
  const name = show(names.of(node));
  if (paths.tunnel === 0) return name;
  const part = paths.tunnel === bytes
    ? ""
    : `, ${formatBytes(paths.tunnel)} of ${formatBytes(bytes)}`;
  return `${name} (through the relay${part})`;
}

/** Another client, which has no display name. */
function holderInWords({ node, bytes }: Delivery<ListedNode>): string {
  return `${show(node.name)} (${formatBytes(bytes)})`;
}
