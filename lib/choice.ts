/**
 * Which content of a name to take when nodes differ. Pure.
 *
 * Nodes are grouped by content id, and pieces of two groups are never mixed. A
 * node that has not hashed its file yet is a group of its own.
 *
 * @module
 */

/** What one node offers under a name. */
export interface Offer {
  /** Id of the node. */
  readonly node: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written there, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Stands for the file's state at that node. */
  readonly version: string;
  /** Content id, once the node has hashed it. */
  readonly content?: string | undefined;
  /** SHA-256 of the whole file, once the node has hashed it. */
  readonly sha256?: string | undefined;
}

/** Offers of one content. */
export interface ContentGroup {
  /** Content id; absent where it is not known yet. */
  readonly content?: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** The latest time of writing among them. */
  readonly modifiedMs: number;
  /** The offers, one a node. */
  readonly offers: readonly Offer[];
}

/** What decides between contents. */
export type Preference = "most-nodes" | "newest";

/** The offers by content, the one to take first. */
export function groupOffers(
  offers: readonly Offer[],
  prefer: Preference,
): ContentGroup[] {
  const groups = new Map<string, Offer[]>();
  for (const offer of offers) {
    // A content has one size: whoever gives it another is mistaken, or lies.
    const key = offer.content === undefined
      ? `unhashed ${offer.node}`
      : `${offer.content} ${offer.size}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [offer]);
    else group.push(offer);
  }
  const list = [...groups.values()].map((group) => ({
    content: group[0]!.content,
    size: group[0]!.size,
    modifiedMs: Math.max(...group.map(({ modifiedMs }) => modifiedMs)),
    offers: group,
  }));
  const byCount = (a: ContentGroup, b: ContentGroup) =>
    b.offers.length - a.offers.length;
  const byTime = (a: ContentGroup, b: ContentGroup) =>
    b.modifiedMs - a.modifiedMs;
  // A content id is something to hold pieces to: it wins where all else is equal.
  const byHash = (a: ContentGroup, b: ContentGroup) =>
    Number(b.content !== undefined) - Number(a.content !== undefined);
  const order = prefer === "newest"
    ? [byTime, byCount, byHash]
    : [byCount, byTime, byHash];
  return list.sort((a, b) =>
    order.reduce((sum, compare) => sum || compare(a, b), 0)
  );
}

/** Whether the groups are known, or seem, to be different contents. */
export function differ(groups: readonly ContentGroup[]): boolean {
  const contents = new Set(groups.flatMap(({ content }) => content ?? []));
  const sizes = new Set(groups.map(({ size }) => size));
  return contents.size > 1 || sizes.size > 1;
}
