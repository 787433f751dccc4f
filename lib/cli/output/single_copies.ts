/**
 * Warns about files that only one node has.
 *
 * @module
 */

import type { ClientEvent } from "../../client/events.ts";
import type { ListedNode } from "../../client/nodes.ts";
import { groupUnder } from "../../base/collections.ts";
import { show } from "../../base/text.ts";
import { namesOn } from "./node_names.ts";
import type { Terminal } from "./terminal.ts";

/** Finds files of a `get` that have only one copy. */
export class SingleCopies {
  readonly #isChosen: boolean;
  #nodeCount = 0;
  #files = 0;
  readonly #answered = new Map<string, Set<string>>();
  /** Names under which nodes have different contents. */
  readonly #differing = new Set<string>();
  #loneCount = 0;
  #firstLone: { name: string; holder: ListedNode | undefined } | undefined;

  /** `isChosen` says that the user chose some of the nodes. */
  constructor({ isChosen }: { isChosen: boolean }) {
    this.#isChosen = isChosen;
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    if (event.event === "nodes_listed") {
      this.#nodeCount = event.nodes.length;
    } else if (event.event === "contents_differ") {
      this.#differing.add(event.name);
    } else if (event.event === "node_answered") {
      groupUnder(this.#answered, event.name).add(event.node.id);
    } else if (event.event === "file_received") {
      this.#files++;
      const { name, holders, from } = event;
      // A node that was too slow to answer may have a copy too.
      const answeredCount = this.#answered.get(name)?.size ?? this.#nodeCount;
      this.#answered.delete(name);
      if (holders > 1 || answeredCount < this.#nodeCount) return;
      this.#loneCount++;
      const node = from.find(({ isHolder }) => !isHolder)?.node;
      this.#firstLone ??= { name, holder: node };
    }
  }

  /** Prints a warning if other nodes could have a copy. */
  warn(terminal: Terminal): void {
    if (this.#isChosen || this.#nodeCount < 2) return;
    if (this.#firstLone === undefined) return;
    const { name, holder: node } = this.#firstLone;
    const holder = node === undefined ? "one node" : namesOn(terminal).of(node);
    const what = this.#differing.has(name) ? "this content of " : "";
    terminal.note(
      this.#loneCount === 1
        ? `warning: only ${show(holder)} has ${what}${show(name)}`
        : `warning: ${this.#loneCount} of ${this.#files} files are on one node only`,
    );
  }
}
