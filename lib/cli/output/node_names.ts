/**
 * What the nodes that a command has heard of are called, in all that it prints.
 *
 * @module
 */

import { distinctNames, type NamedNode } from "../../client/node_names.ts";
import type { Terminal } from "./terminal.ts";

/** The names of nodes, told apart where two have the same. */
export class NodeNames {
  readonly #nodes = new Map<string, NamedNode>();
  #names: ReadonlyMap<string, string> = new Map();

  /** Notes nodes that the relay lists. */
  learn(nodes: readonly NamedNode[]): void {
    for (const node of nodes) this.#nodes.set(node.id, node);
    this.#names = distinctNames(this.#nodes.values());
  }

  /** What to call a node: a stranger's words. */
  of({ id, name }: NamedNode): string {
    return this.#names.get(id) ?? name;
  }

  /** What to call the node with an id. */
  readonly byId = (id: string): string => this.#names.get(id) ?? id;
}

const NAMES = new WeakMap<Terminal, NodeNames>();

/** The names of the nodes that `terminal` is told of. */
export function namesOn(terminal: Terminal): NodeNames {
  const names = NAMES.get(terminal) ?? new NodeNames();
  NAMES.set(terminal, names);
  return names;
}
