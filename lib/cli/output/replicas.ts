/**
 * Warns about files that only one node has.
 *
 * @module
 */

import type { ClientEvent } from "../../client/events.ts";
import { show } from "../../base/text.ts";
import type { Terminal } from "./terminal.ts";

/** Watches a `get` for files of which there is one copy. */
export class Replicas {
  readonly #isChosen: boolean;
  #nodeCount = 0;
  #files = 0;
  readonly #answered = new Map<string, Set<string>>();
  /** Names under which nodes have different contents. */
  readonly #differing = new Set<string>();
  #loneCount = 0;
  #firstLone: { name: string; holder: string | undefined } | undefined;

  /** `isChosen` says that not all nodes are asked. */
  constructor({ isChosen }: { isChosen: boolean }) {
    this.#isChosen = isChosen;
  }

  /** To be told every event. */
  note(event: ClientEvent): void {
    if (event.event === "nodes_listed") {
      this.#nodeCount = event.nodes.length;
    } else if (event.event === "contents_differ") {
      this.#differing.add(event.name);
    } else if (event.event === "node_answered") {
      const answered = this.#answered.get(event.name) ?? new Set();
      this.#answered.set(event.name, answered.add(event.node.id));
    } else if (event.event === "file_received") {
      this.#files++;
      const { name, holders, from } = event;
      // Whoever was too slow to answer may have it as well.
      const heard = this.#answered.get(name)?.size ?? this.#nodeCount;
      this.#answered.delete(name);
      if (holders > 1 || heard < this.#nodeCount) return;
      this.#loneCount++;
      this.#firstLone ??= { name, holder: from[0]?.node.name };
    }
  }

  /** Warns, where there are other nodes that could have a copy. */
  warn(terminal: Terminal): void {
    if (this.#isChosen || this.#nodeCount < 2) return;
    if (this.#firstLone === undefined) return;
    const { name, holder = "one node" } = this.#firstLone;
    const what = this.#differing.has(name) ? "this content of " : "";
    terminal.note(
      this.#loneCount === 1
        ? `warning: only ${show(holder)} has ${what}${show(name)}`
        : `warning: ${this.#loneCount} of ${this.#files} files are on one node only`,
    );
  }
}
