/**
 * Which nodes an index named wrongly: they were listed for some names, and said
 * that they have none of these. Pure.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";

/** A relay's answer from its index. */
export interface Expectation {
  readonly relay: Endpoint;
  /** The whole names that were looked up: one of them is expected of a node. */
  readonly names: readonly string[];
  readonly nodes: readonly { readonly id: string }[];
  /** The number of nodes that are listed whether or not they have a name. */
  readonly unindexedCount: number;
}

/** A node that the index of a relay named wrongly. */
export interface FalsePositive {
  readonly relay: Endpoint;
  readonly id: string;
}

/** Compares the answers of relays with those of nodes. */
export class FalsePositives {
  readonly #expectations: Expectation[] = [];
  /** The names that a node lacks, while it has not answered otherwise. */
  readonly #lacking = new Map<string, Set<string>>();

  /** Notes an answer of an index. */
  expect(expectation: Expectation): void {
    this.#expectations.push(expectation);
    for (const { id } of expectation.nodes) {
      if (!this.#lacking.has(id)) this.#lacking.set(id, new Set());
    }
  }

  /** Notes the answer of a node; only that it lacks the name counts. */
  answered(id: string, name: string, isLacking: boolean): void {
    if (isLacking) this.#lacking.get(id)?.add(name);
    else this.#lacking.delete(id);
  }

  /**
   * The nodes that were named wrongly. None if they may all be nodes without an
   * index: a client cannot know which these are.
   */
  all(): FalsePositive[] {
    return this.#expectations.flatMap(
      ({ relay, names, nodes, unindexedCount }) => {
        const vain = nodes.filter(({ id }) => {
          const lacking = this.#lacking.get(id);
          return lacking && names.every((name) => lacking.has(name));
        });
        return vain.length > unindexedCount
          ? vain.map(({ id }) => ({ relay, id }))
          : [];
      },
    );
  }
}
