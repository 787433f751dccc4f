/**
 * The names of nodes for people: if two nodes have the same name, the start of
 * its id follows each. Pure.
 *
 * @module
 */

// Usually enough letters of an id to distinguish nodes of one name.
const ID_START = 4;

/** The parts that identify a node. */
export interface NamedNode {
  readonly id: string;
  readonly name: string;
}

/** The names by id. */
export function distinctNames(
  nodes: Iterable<NamedNode>,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, group] of Map.groupBy(nodes, ({ name }) => name)) {
    const ids = group.map(({ id }) => id);
    const length = lettersOf(ids);
    for (const id of ids) {
      const start = length === 0 ? "" : `.${id.slice(0, length)}`;
      names.set(id, name + start);
    }
  }
  return names;
}

/** How many letters of the ids distinguish them; none of a single one. */
function lettersOf(ids: readonly string[]): number {
  const all = new Set(ids).size;
  if (all < 2) return 0;
  let length = ID_START;
  while (new Set(ids.map((id) => id.slice(0, length))).size < all) length++;
  return length;
}
