/**
 * Prints a list of files as the user wants it: in an order, flat or by folders,
 * for people, for scripts or as events.
 *
 * @module
 */

import type { FileBrief, FileListings } from "../../client/listing.ts";
import { distinctNames } from "../../client/node_names.ts";
import type { ListedNode } from "../../client/nodes.ts";
import { Failure } from "../../base/errors.ts";
import { counted } from "../../base/text.ts";
import type { CommandLine } from "../options/command_line.ts";
import { given } from "../options/values.ts";
import type { CliEvent } from "../output/cli_events.ts";
import {
  type FileRow,
  formatFileRows,
  formatHolders,
  formatLongRows,
  formatTotal,
} from "../output/files_table.ts";
import {
  type DeepSums,
  type FolderSum,
  type ListRow,
  sumFolders,
  type SummedFolders,
  walk,
} from "../output/folder_sums.ts";
import { compareText, inOrder, type SortBy } from "../output/order.ts";
import type { Terminal } from "../output/terminal.ts";

/** What a list needs in addition to its files. */
export interface FileListOptions {
  readonly nodes: readonly ListedNode[];
  /** Code units at the start of all names, which name the listed folder. */
  readonly start: number;
  /** Files in folders that are not opened, of which only sums were kept. */
  readonly deep?: DeepSums | undefined;
  /** How the user wants it. */
  readonly view: ListView;
}

/** The order and form of a list, as the user wants it. */
export interface ListView {
  readonly sort?: SortBy;
  /** Whether each page of a node is printed as it arrives. */
  readonly isUnsorted: boolean;
  readonly reverse: boolean;
  readonly isTree: boolean;
  readonly depth?: number;
  readonly isLong: boolean;
}

/**
 * The view that a command line selects.
 *
 * @throws {Failure} of kind `usage` for a value that no option takes.
 */
export function viewOf(line: CommandLine): ListView {
  const sort = line.get("sort");
  const depth = line.get("depth");
  const reverse = line.isOn("reverse");
  const isTree = line.isOn("tree");
  const isUnsorted = sort === "none";
  if (isUnsorted && (reverse || isTree || depth !== undefined)) {
    throw new Failure("usage", {
      what: "Cannot use option",
      where: "--sort none",
      why: "--reverse, --tree and --depth need all names first",
      remedy: "leave one of them out",
    });
  }
  return {
    ...given({ sort: isUnsorted ? undefined : sort, depth }),
    ...{ isUnsorted, reverse, isTree },
    isLong: line.isOn("long"),
  };
}

/** A list of files. */
export class FileList {
  readonly #files: FileListings;
  readonly #options: FileListOptions;
  readonly #names: ReadonlyMap<string, string>;
  /** The formatted holders of the last file. */
  #holders: { readonly key: string; readonly text: string } | undefined;

  constructor(files: FileListings, options: FileListOptions) {
    this.#files = files;
    this.#options = options;
    this.#names = distinctNames(options.nodes);
  }

  /**
   * Prints it. `places` is the order in which the files are listed unless the
   * user wants another.
   */
  async print(
    { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
    places?: Iterable<number>,
  ): Promise<void> {
    const { isLong } = this.#options.view;
    const rows = this.#rows(places);
    await terminal.events(this.#events(rows), signal);
    const columns = terminal.resultColumns;
    const colours = columns !== undefined && !Deno.noColor;
    const shown = { [Symbol.iterator]: () => this.#shown(rows) };
    await terminal.facts(
      isLong
        ? formatLongRows(shown)
        : formatFileRows(shown, { columns, colours }),
      signal,
    );
    const total = rows.sums();
    if (total.files === 0) return;
    if (rows.cutCount > 0) {
      terminal.note(
        `${
          counted(rows.cutCount, "file")
        } in too many folders: shown in a folder above ` +
          "(list one folder, or use --depth)",
      );
    }
    // Elsewhere each line is a file.
    if (columns === undefined) terminal.note(formatTotal(total));
    else await terminal.facts([formatTotal(total)], signal);
  }

  /** The rows, in their order. */
  #rows(places?: Iterable<number>): Rows {
    const { start, deep, view } = this.#options;
    const { sort, reverse, depth, isTree } = view;
    const files = this.#files;
    if (isTree || depth !== undefined) {
      const { root, cutCount } = sumFolders(files, files.places(), {
        start,
        deep,
      });
      const options = { sort: sort ?? "name", reverse, isTree } as const;
      const rows = [...walk(root, files, {
        ...options,
        depth: depth ?? Infinity,
      })];
      return new TreeRows(files, rows, { root, cutCount });
    }
    const order = places === undefined || sort !== undefined
      ? inOrder(files, { sort: sort ?? "name", reverse })
      : reverse
      ? [...places].reverse()
      : [...places];
    return new FileRows(files, order);
  }

  *#events(rows: Rows): Generator<CliEvent, void> {
    for (const row of rows) {
      if (row.kind === "file") {
        const { offers, ...file } = this.#files.at(row.place);
        const nodes = this.#sorted(offers.map(({ node }) => node));
        yield { event: "file", ...file, nodes };
      } else {
        const { name, files, bytes, modifiedMs } = row.folder;
        yield { event: "folder", name, files, bytes, modifiedMs };
      }
    }
    const { files, bytes } = rows.sums();
    if (files > 0) yield { event: "files_listed", files, bytes };
  }

  *#shown(rows: Rows): Generator<FileRow, void> {
    const { isTree } = this.#options.view;
    for (const row of rows) {
      const shown = row.kind === "file" ? this.#file(row) : folderRow(row);
      yield isTree ? inTree(shown, row, this.#options.start) : shown;
    }
  }

  /** The nodes with a file, in the order of their names. */
  #sorted(nodes: readonly string[]): readonly string[] {
    if (nodes.length < 2) return nodes;
    const nameOf = (id: string) => this.#names.get(id) ?? id;
    return nodes.toSorted((a, b) => compareText(nameOf(a), nameOf(b)));
  }

  /** The holders as text, reused for files with the same holders. */
  #holdersOf(nodes: readonly string[]): string {
    const key = nodes.join();
    if (this.#holders?.key !== key) {
      const names = nodes.map((id) => this.#names.get(id) ?? id);
      this.#holders = { key, text: formatHolders(names) };
    }
    return this.#holders.text;
  }

  #file({ place, brief }: ReadRow & { kind: "file" }): FileRow {
    const { name, size, modifiedMs, differs } = brief;
    const nodes = this.#sorted(brief.nodes);
    return {
      name,
      bytes: size,
      modifiedMs,
      content: this.#options.view.isLong
        ? this.#files.at(place).content
        : undefined,
      nodes,
      holders: this.#holdersOf(nodes),
      mark: differs ? "differs" : nodes.length === 1 ? "only" : "",
      isFolder: false,
      indent: 0,
    };
  }
}

/** A row, with its file. */
type ReadRow =
  | ListRow & { kind: "folder" }
  | ListRow & { kind: "file"; readonly brief: FileBrief };

/** Rows, with the sums of all files after they have been read. */
interface Rows extends Iterable<ReadRow> {
  sums(): { readonly files: number; readonly bytes: number };
  /** Files that are shown in a folder above their own. */
  readonly cutCount: number;
}

/** Files in a given order. Made one by one, because there may be many. */
class FileRows implements Rows {
  readonly cutCount = 0;
  readonly #files: FileListings;
  readonly #order: Iterable<number>;
  #sums = { files: 0, bytes: 0 };

  constructor(files: FileListings, order: Iterable<number>) {
    this.#files = files;
    this.#order = order;
  }

  sums(): { readonly files: number; readonly bytes: number } {
    return this.#sums;
  }

  *[Symbol.iterator](): Generator<ReadRow, void> {
    this.#sums = { files: 0, bytes: 0 };
    for (const place of this.#order) {
      const brief = this.#files.briefAt(place);
      this.#sums.files++;
      this.#sums.bytes += brief.size;
      yield { kind: "file", place, brief, depth: 1, folderLength: 0 };
    }
  }
}

/** Files and folders. Files are read one by one. */
class TreeRows implements Rows {
  readonly #files: FileListings;
  readonly #rows: readonly ListRow[];
  readonly #root: FolderSum;
  readonly cutCount: number;

  constructor(
    files: FileListings,
    rows: readonly ListRow[],
    { root, cutCount }: SummedFolders,
  ) {
    this.cutCount = cutCount;
    this.#files = files;
    this.#rows = rows;
    this.#root = root;
  }

  sums(): { readonly files: number; readonly bytes: number } {
    const { files, bytes } = this.#root;
    return { files, bytes };
  }

  *[Symbol.iterator](): Generator<ReadRow, void> {
    for (const row of this.#rows) {
      yield row.kind === "folder"
        ? row
        : { ...row, brief: this.#files.briefAt(row.place) };
    }
  }
}

function folderRow({ folder }: ListRow & { kind: "folder" }): FileRow {
  const { name, files, bytes, modifiedMs } = folder;
  return {
    name: `${name}/`,
    bytes,
    modifiedMs,
    nodes: [],
    holders: counted(files, "file"),
    mark: "",
    isFolder: true,
    indent: 0,
  };
}

const TREE_INDENT = 2;

/** The row with the part of its name below the folder in which it is shown. */
function inTree(shown: FileRow, row: ListRow, start: number): FileRow {
  const { name } = shown;
  const end = row.kind === "folder"
    ? name.length - 2
    : row.folderLength > 0
    ? row.folderLength
    : start - 1;
  const part = end < 0 ? name : name.slice(name.lastIndexOf("/", end) + 1);
  return { ...shown, name: part, indent: TREE_INDENT * (row.depth - 1) };
}
