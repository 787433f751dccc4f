/**
 * Makes one list of the lists of several relays. A node that several of them
 * list appears once, with the data of each. Pure.
 *
 * @module
 */

import { entriesOf, type ListedNode, type NodeListing } from "./nodes.ts";

/**
 * One list of several, which are not empty. Takes a node of each in turn: a
 * relay that lists many dead nodes must not have all of them dialled first. The
 * data about the relay come from the first.
 */
export function mergeListings(listings: readonly NodeListing[]): NodeListing {
  const [first] = listings;
  if (first === undefined) throw new TypeError("Cannot merge no listings");
  if (listings.length === 1) return first;
  const merged = new Map(
    mergeNodes(listings.flatMap(({ nodes }) => nodes))
      .map((node) => [node.id, node]),
  );
  const nodes = Array.from(
    new Set(inTurn(listings.map(({ nodes }) => nodes))),
    (id, n) => ({ ...merged.get(id)!, number: n + 1 }),
  );
  const unasked = listings.map(({ countOfAll, nodes }) =>
    countOfAll === undefined ? undefined : countOfAll - nodes.length
  );
  const known = unasked.filter((count) => count !== undefined);
  const uptimes = listings.flatMap(({ uptime }) =>
    uptime === undefined ? [] : [uptime]
  );
  const { greeting, relayId } = first;
  return {
    ...{ greeting, relayId, nodes },
    // Another relay may name some of the nodes that one does not, but never
    // more than there are.
    ...known.length === 0
      ? {}
      : { countOfAll: nodes.length + Math.max(0, ...known) },
    // Nodes may still be returning to that relay alone.
    ...uptimes.length < listings.length ? {} : { uptime: Math.max(...uptimes) },
  };
}

/** The ids of all lists: the first ones, then the second ones, and so on. */
function* inTurn(lists: readonly (readonly ListedNode[])[]): Generator<string> {
  const most = lists.reduce((most, { length }) => Math.max(most, length), 0);
  for (let n = 0; n < most; n++) {
    for (const list of lists) {
      if (n < list.length) yield list[n]!.id;
    }
  }
}

/** Each node once, in the order of the list, with new numbers. */
export function mergeNodes(nodes: readonly ListedNode[]): ListedNode[] {
  const merged = new Map<string, ListedNode[]>();
  for (const node of nodes) {
    const entries = merged.get(node.id);
    if (entries === undefined) merged.set(node.id, [...entriesOf(node)]);
    else {
      const relays = new Set(entries.map(({ relay }) => relay));
      entries.push(
        ...entriesOf(node).filter(({ relay }) => !relays.has(relay)),
      );
    }
  }
  return Array.from(merged.values(), (entries, n) => joined(entries, n + 1));
}

function joined(entries: readonly ListedNode[], number: number): ListedNode {
  const [{ others: _, ...first }, ...further] = entries as [
    ListedNode,
    ...ListedNode[],
  ];
  if (further.length === 0) return { ...first, number };
  const others = further.map(({ others: _, ...entry }) => entry);
  const isAttached = entries.some(({ isAttached }) => isAttached);
  const index = first.index ?? others.find(({ index }) => index)?.index;
  return {
    ...{ ...first, number, isAttached, others },
    ...index === undefined ? {} : { index },
  };
}
