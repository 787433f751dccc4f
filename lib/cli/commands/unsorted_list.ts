/**
 * Prints the files of nodes as their lists arrive, and keeps none of them, so a
 * million names need no memory. A name that several nodes have has several
 * lines.
 *
 * @module
 */

import type { TakenFrom } from "../../client/browsing.ts";
import { showWhole } from "../../base/text.ts";
import type { ListedFile } from "../../protocol/messages.ts";
import type { CliEvent } from "../output/cli_events.ts";
import {
  type FileRow,
  formatFileRows,
  formatLongRows,
  formatTotal,
} from "../output/files_table.ts";
import type { Terminal } from "../output/terminal.ts";

/** Where the files are printed. */
interface OutputTarget {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** Prints page after page. */
export class UnsortedList {
  readonly #target: OutputTarget;
  readonly #isLong: boolean;
  readonly #sums = { files: 0, bytes: 0 };
  /** Pages of several nodes arrive at once, and are printed in turn. */
  #last: Promise<void> = Promise.resolve();

  constructor(target: OutputTarget, { isLong }: { readonly isLong: boolean }) {
    this.#target = target;
    this.#isLong = isLong;
  }

  /** Prints files of one node; resolves when the reader has taken them. */
  print(files: readonly ListedFile[], from: TakenFrom): Promise<void> {
    return this.#last = this.#last.then(() => this.#print(files, from));
  }

  async #print(files: readonly ListedFile[], from: TakenFrom): Promise<void> {
    const { terminal, signal } = this.#target;
    for (const { size } of files) {
      this.#sums.files++;
      this.#sums.bytes += size;
    }
    await terminal.events(files.map((file) => eventOf(file, from)), signal);
    const columns = terminal.resultColumns;
    const colours = columns !== undefined && !Deno.noColor;
    const rows = files.map((file) => rowOf(file, from));
    await terminal.facts(
      this.#isLong
        ? formatLongRows(rows)
        : formatFileRows(rows, { columns, colours }),
      signal,
    );
  }

  /** Prints how many files there were, if there were any. */
  async end(): Promise<void> {
    const { terminal, signal } = this.#target;
    const { files, bytes } = this.#sums;
    if (files === 0) return;
    await terminal.events([
      { event: "files_listed", files, bytes } satisfies CliEvent,
    ], signal);
    const total = formatTotal(this.#sums);
    if (terminal.resultColumns === undefined) terminal.note(total);
    else await terminal.facts([total], signal);
  }
}

function eventOf(file: ListedFile, from: TakenFrom): CliEvent {
  const { name, size, modifiedMs, content } = file;
  return {
    ...{ event: "file", name, size, modifiedMs },
    ...content === undefined ? {} : { content },
    ...{ nodeCount: 1, nodes: [from.id], differs: false },
  };
}

function rowOf(file: ListedFile, from: TakenFrom): FileRow {
  const { name, size, modifiedMs, content } = file;
  return {
    ...{ name, bytes: size, modifiedMs, content, nodes: [from.id] },
    ...{ holders: showWhole(from.name), mark: "", isFolder: false, indent: 0 },
  };
}
