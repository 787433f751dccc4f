/** Names of nodes for everything that a command prints: two nodes with the same
 * name get letters of their ids.
 *
 * @module
 */

import { distinctNames, type NamedNode } from "../../client/node_names.ts";
import type { Terminal } from "./terminal.ts";

/** Names of nodes, each different from all others. */
export class NodeNames {
  readonly #nodes = new Map<string, NamedNode>();
  #names: ReadonlyMap<string, string> = new Map();

  /** Adds nodes that the relay lists. */
  learn(nodes: readonly NamedNode[]): void {
    for (const node of nodes) this.#nodes.set(node.id, node);
    this.#names = distinctNames(this.#nodes.values());
  }

  /** The name to print for a node. A stranger chose it: escape it. */
  of({ id, name }: NamedNode): string {
    return this.#names.get(id) ?? name;
  }

  /** The name to print for the node with this id; the id if it is unknown. */
  readonly byId = (id: string): string => this.#names.get(id) ?? id;
}

const NAMES = new WeakMap<Terminal, NodeNames>();

/** The one set of names for all output on `terminal`. */
export function namesOn(terminal: Terminal): NodeNames {
  const names = NAMES.get(terminal) ?? new NodeNames();
  NAMES.set(terminal, names);
  return names;
}
