/**
 * The commands `ls` and `search`, the files on all nodes by name; and `nodes`.
 *
 * @module
 */

import { nobodyHasAny, withNearest } from "../../client/failures.ts";
import { notListedWhole } from "../../client/list_failures.ts";
import {
  browseFiles,
  type FileListings,
  listNodes,
} from "../../client/listing.ts";
import type { ListedNode } from "../../client/nodes.ts";
import { folderSelection } from "../../client/selections.ts";
import type {
  TransferOptions,
  WantedNames,
} from "../../client/transfer_options.ts";
import { Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import { NearestNames } from "../../content/nearest.ts";
import { CLIENT as SPEC } from "../options/command_table.ts";
import { EVERYTHING, parseSelection } from "../options/selection.ts";
import { expectNoMore, type RoleContext } from "../roles/role.ts";
import { collectInClient } from "../roles/memory.ts";
import { FileList, type ListView, viewOf } from "./file_list.ts";
import { UnsortedList } from "./unsorted_list.ts";
import { parseWords, type WordSearch } from "./words.ts";
import { DeepSums } from "../output/folder_sums.ts";
import { formatNodes } from "../output/tables.ts";
import { EventPrinter } from "./event_printer.ts";

type Context = RoleContext & { readonly options: TransferOptions };

/** What to list. */
interface Wanted extends WantedNames {
  /** As the user wrote it; absent for everything. */
  readonly text?: string;
  readonly prefix: string;
  readonly matches: (name: string) => boolean;
}

/** Runs `ls`; resolves to its exit code. */
export async function runList(
  words: readonly string[],
  context: Context,
): Promise<number> {
  const [text, ...more] = words;
  expectNoMore(more, SPEC, SPEC.commands["ls"]!.usage);
  using listing = new Listing(context);
  if (text === undefined) return await listing.show(EVERYTHING);
  const { ignoreCase = false } = context.options;
  const selection = parseSelection(text, { ignoreCase });
  if (selection.kind === "matching") {
    return await listing.show({ text, ...selection });
  }
  const folder = folderSelection(selection.name, { ignoreCase });
  const files = await listing.browse(folder);
  return files.isEmpty && files.incomplete.length === 0
    ? await listing.search(text, parseWords([selection.name]))
    : await listing.print(files, { text, ...folder });
}

/** Runs `search`; resolves to its exit code. */
export async function runSearch(
  words: readonly string[],
  context: Context,
): Promise<number> {
  using listing = new Listing(context);
  return await listing.search(words.join(" "), parseWords(words));
}

/** The lists of the nodes, asked for as often as needed. */
class Listing implements Disposable {
  readonly #context: Context;
  /** All nodes, once they are known. */
  #nodes: readonly ListedNode[] | undefined;
  readonly #printer: EventPrinter;
  readonly #view: ListView;
  /** Prints the files as they arrive, if the user wants no order. */
  readonly #unsorted: UnsortedList | undefined;
  /** The sums of closed folders, from the last lists. */
  #deep: DeepSums | undefined;
  readonly #collecting: Disposable;

  constructor(context: Context) {
    this.#context = context;
    this.#view = viewOf(context.line);
    this.#printer = new EventPrinter(context.terminal);
    const { isUnsorted } = this.#view;
    if (isUnsorted) this.#unsorted = new UnsortedList(context, this.#view);
    this.#collecting = collectInClient(); // after all that may throw
  }

  async browse(wanted: Wanted): Promise<FileListings> {
    const { options, terminal } = this.#context;
    const { onEvent } = this.#printer;
    const { depth } = this.#view;
    const start = startOf(wanted);
    const unsorted = this.#unsorted;
    const deep = depth === undefined
      ? undefined
      : new DeepSums({ start, depth });
    this.#deep = deep;
    const files = await browseFiles({
      ...options,
      ...wanted,
      ...deep && { addUp: (file) => deep.add(file) },
      ...unsorted && { take: (page, from) => unsorted.print(page, from) },
      ...this.#nodes && { nodes: this.#nodes },
      onEvent,
    });
    if (files.unaskedCount === 0) this.#nodes = files.nodes;
    terminal.status("");
    return files;
  }

  /** Lists what is wanted, in the order of names. */
  async show(wanted: Wanted): Promise<number> {
    return await this.print(await this.browse(wanted), wanted);
  }

  /** Lists the names that have all words, best first. */
  async search(text: string, words: WordSearch): Promise<number> {
    const nearest = new NearestNames(text.normalize("NFC"));
    const wanted = {
      text,
      prefix: "",
      matches: (name: string) => {
        nearest.note(name);
        return words.matches(name);
      },
      leavesOut: (name: string) => words.leavesOut(name),
    };
    const files = await this.browse(wanted);
    const places = words.bestFirst(files);
    return await this.print(files, wanted, { places, nearest });
  }

  /** Prints files, or throws if there are none. */
  async print(
    files: FileListings,
    wanted: Wanted,
    { places, nearest }: {
      places?: Iterable<number>;
      nearest?: NearestNames;
    } = {},
  ): Promise<number> {
    const { nodes } = files;
    const { text } = wanted;
    const list = new FileList(files, {
      ...{ nodes, start: startOf(wanted), deep: this.#deep, view: this.#view },
    });
    if (this.#unsorted === undefined) await list.print(this.#context, places);
    else await this.#unsorted.end();
    if (files.incomplete.length > 0) {
      const options = { pattern: text, nodes, mayBeUnsorted: true };
      throw notListedWhole(files.incomplete, options);
    }
    if (!files.isEmpty) return 0;
    throw withNearest(this.#nothing(text, files), nearest?.names ?? []);
  }

  #nothing(
    text: string | undefined,
    { nodes, unaskedCount }: FileListings,
  ): Failure {
    if (text !== undefined && unaskedCount > 0) {
      return nobodyHasAny(text, { nodeCount: nodes.length, unaskedCount });
    }
    return new Failure("not_found", {
      what: "Cannot list files",
      ...(text === undefined ? {} : { where: show(text) }),
      ...(text === undefined || nodes.length === 0
        ? {
          why: "no active node has any",
          remedy: "list the nodes with the command nodes",
        }
        : {
          why: "no active node has a file that matches",
          remedy: "list all files with ls alone",
        }),
    });
  }

  [Symbol.dispose](): void {
    this.#collecting[Symbol.dispose]();
  }
}

/** Code units before the names in the folder that is listed. */
function startOf({ prefix }: Wanted): number {
  return prefix.endsWith("/") ? prefix.length : 0;
}

/** Runs the command `nodes`; resolves to the exit code. */
export async function runNodes(
  { options, terminal, line, signal }: Context,
): Promise<number> {
  const { onEvent } = new EventPrinter(terminal);
  const isLong = line.isOn("long");
  const indexes = isLong || terminal.options.json;
  const { nodes } = await listNodes({ ...options, onEvent, indexes });
  terminal.note(`peer node count: ${nodes.length}`);
  const rows = formatNodes(nodes, { ids: true, indexes: isLong });
  await terminal.facts(rows, signal);
  return 0;
}
