/**
 * Prints what a `get --dry-run` would do with each file, and the totals.
 *
 * @module
 */

import type { ClientEvent, PlannedAction } from "../../client/events.ts";
import { counted, show, showWhole } from "../../base/text.ts";
import { namesOn, type NodeNames } from "../output/node_names.ts";
import { formatBytes } from "../../base/units.ts";
import type { Terminal } from "../output/terminal.ts";
import { amountInWords, MOST_PRINTED, type SavedOptions } from "./saved.ts";

type FilePlanned = ClientEvent & { event: "file_planned" };

const ACTION_COLUMNS = 8;
const SIZE_COLUMNS = 9;
// If more nodes have a file, only their number is printed.
const MOST_NODES = 3;

/** Prints planned files: all of them, or at a terminal the first ones. */
export class Planned {
  readonly #terminal: Terminal;
  readonly #isTerminal: boolean;
  readonly #mostPrinted: number;
  #printed = 0;
  #unprinted = 0;
  readonly #sums: Record<PlannedAction, { files: number; bytes: number }> = {
    fetch: { files: 0, bytes: 0 },
    continue: { files: 0, bytes: 0 },
    replace: { files: 0, bytes: 0 },
    keep: { files: 0, bytes: 0 },
  };

  constructor(terminal: Terminal, { isVerbose = false }: SavedOptions = {}) {
    this.#terminal = terminal;
    this.#isTerminal = Deno.stdout.isTerminal();
    this.#mostPrinted = isVerbose || !this.#isTerminal
      ? Infinity
      : MOST_PRINTED;
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    if (event.event !== "file_planned") return;
    const sum = this.#sums[event.action];
    sum.files++;
    sum.bytes += event.bytes;
    if (this.#printed >= this.#mostPrinted) {
      this.#unprinted++;
      return;
    }
    this.#printed++;
    const size = this.#isTerminal ? formatBytes(event.bytes) : event.bytes;
    const names = namesOn(this.#terminal);
    this.#terminal.fact(formatPlanned(event, { size: String(size), names }));
  }

  /** Prints a line about all files together. */
  summarize(): void {
    if (this.#unprinted > 0) {
      this.#terminal.note(
        `and ${counted(this.#unprinted, "file")} more; --verbose names all`,
      );
    }
    const { fetch, continue: begun, replace, keep } = this.#sums;
    const files = fetch.files + begun.files + replace.files;
    if (files + keep.files === 0) return;
    const bytes = fetch.bytes + begun.bytes + replace.bytes;
    const parts = [
      `would fetch ${amountInWords({ files, bytes })}`,
      ...(begun.files === 0
        ? []
        : [`${counted(begun.files, "file")} of them started earlier`]),
      ...(replace.files === 0
        ? []
        : [`${counted(replace.files, "file")} of them replaced`]),
      ...(keep.files === 0
        ? []
        : [`and keep ${amountInWords(keep)} here already`]),
    ];
    this.#terminal.note(`${parts.join(", ")}; nothing was fetched`);
  }
}

/** `fetch      1.2 MB  Pictures/a.jpg  from nas, laptop`. */
function formatPlanned(
  { action, path, nodes }: Pick<FilePlanned, "action" | "path" | "nodes">,
  { size, names }: { size: string; names: NodeNames },
): string {
  const printed = nodes.slice(0, MOST_NODES).map((node) =>
    show(names.of(node))
  );
  const more = nodes.length - printed.length;
  const from = `${printed.join(", ")}${more > 0 ? ` +${more}` : ""}`;
  return [
    action.padEnd(ACTION_COLUMNS),
    size.padStart(SIZE_COLUMNS),
    showWhole(path),
    `from ${from}`,
  ].join("  ");
}
