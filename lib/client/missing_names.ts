/**
 * The names that no node has, and the files and folders that they may mean.
 *
 * @module
 */

import { Failure } from "../base/errors.ts";
import type { FileQuery } from "./file_query.ts";
import type { Candidates } from "./candidates.ts";
import { exhausted, SeveralFound } from "./failures.ts";
import { explained, lacking } from "./folders.ts";
import type { Peers } from "./peers.ts";
import { folderSelection, type Selection } from "./selections.ts";
import {
  failureOf,
  searchWider,
  type WiderSearchOptions,
} from "./wider_search.ts";

// For further names, no node is asked whether they are folders.
const MOST_EXPLAINED = 4;

/** Whether a node may have the file later. */
export function isMissing(error: Error | undefined): boolean {
  return error instanceof Failure && error.kind === "not_found" &&
    !(error instanceof SeveralFound);
}

/** Options of {@linkcode MissingNames}. */
export interface MissingNamesOptions extends Omit<WiderSearchOptions, "nodes"> {
  /** What the user wants. */
  readonly selections: readonly Selection[];
  /** The nodes that are asked. */
  readonly candidates: Candidates;
  /** Whether to look for names as part of longer ones. */
  readonly anywhere?: boolean | undefined;
  /** Called for each name for which nothing was found. */
  readonly fail: (name: string, failure: Failure) => void;
}

/** The results for missed names. */
export interface Instead {
  /** The whole names of files, each with the requested name. */
  readonly names: ReadonlyMap<string, string>;
  readonly folders: readonly (Selection & { kind: "matching" })[];
}

/** Names that no node has. */
export class MissingNames {
  readonly #peers: Peers;
  readonly #options: MissingNamesOptions;
  /** Why each was not found. */
  readonly #failures = new Map<string, Failure>();
  #isLooked = false;
  #explainedCount = 0;

  constructor(peers: Peers, options: MissingNamesOptions) {
    this.#peers = peers;
    this.#options = options;
  }

  /** Whether there are names to look for elsewhere. */
  get isWaiting(): boolean {
    return !this.#isLooked && this.#failures.size > 0;
  }

  /** Notes a name that was not found, to look for it later, or reports it. */
  async add({ name, answers, found }: FileQuery): Promise<void> {
    const { anywhere, signal, fail } = this.#options;
    const peers = this.#peers;
    const nodes = lacking(this.#options.candidates.nodes, answers);
    const { unaskedCount } = this.#options.candidates;
    const failure = exhausted(name, answers, found, unaskedCount);
    const mayBeElsewhere = anywhere && !this.#isLooked &&
      failure.kind === "not_found" && nodes.length > 0;
    if (mayBeElsewhere) this.#failures.set(name, failure);
    else if (this.#explainedCount++ < MOST_EXPLAINED) {
      fail(name, await explained(failure, { peers, nodes, name, signal }));
    } else fail(name, failure);
  }

  /** Looks for all of them, once: as folders, and as the end of names. */
  async look(): Promise<Instead> {
    this.#isLooked = true;
    const { isOne, ignoreCase = false, signal, fail } = this.#options;
    const names = new Map<string, string>();
    const folders: (Selection & { kind: "matching" })[] = [];
    const wanted = [...this.#failures.keys()];
    const { nodes } = this.#options.candidates;
    const looking = { ...this.#options, nodes };
    const looked = await searchWider(this.#peers, wanted, looking);
    signal.throwIfAborted();
    for (const [name, failure] of this.#failures) {
      const wider = looked.get(name)!;
      if (wider.kind === "one") {
        if (!this.#isSelected(wider.name)) names.set(wider.name, name);
      } else if (wider.kind === "folder" && !isOne) {
        folders.push(folderSelection(name, { ignoreCase }));
      } else fail(name, failureOf(name, wider, failure));
    }
    return { names, folders };
  }

  /** Whether a file that was found in a folder is already fetched otherwise. */
  takes(name: string): boolean {
    return this.#isLooked && this.#isSelected(name);
  }

  #isSelected(name: string): boolean {
    return this.#options.selections.some((selection) =>
      selection.kind === "name"
        ? selection.name === name
        : selection.matches(name)
    );
  }
}
