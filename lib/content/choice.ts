/**
 * Decides which content of a name to take when nodes differ. Pure.
 *
 * Nodes are grouped by content id, and pieces of two groups are never mixed. A
 * node that has not hashed its file yet is a group of its own. A group weighs
 * as much as the number of addresses at which its nodes were reached, because
 * ids are free to make and addresses are not. A tie stays undecided.
 *
 * @module
 */

import { groupUnder } from "../base/collections.ts";
/** The file that one node offers under a name. */
export interface Offer {
  /** Id of the node. */
  readonly node: string;
  /**
   * The address that counts as its vote: offers with the same address count
   * once.
   */
  readonly votesAs: string;
  /** Bytes. */
  readonly size: number;
  /** When the file was last written there, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Whether the file is executable there. */
  readonly isExecutable?: true;
  /** Identifies the state of the file at that node. */
  readonly version: string;
  /** Content id, once the node has hashed it. */
  readonly content?: string | undefined;
  /** SHA-256 of the whole file, once the node has hashed it. */
  readonly sha256?: string | undefined;
}

/** Offers of one content. */
export interface ContentGroup {
  /** Content id, if it is known. */
  readonly content?: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** The latest time of writing among the offers. */
  readonly modifiedMs: number;
  /** Whether the file is executable at more than half of the addresses. */
  readonly isExecutable?: true;
  /** Number of addresses at which nodes with this content were reached. */
  readonly votes: number;
  /** The offers, one for each node. */
  readonly offers: readonly Offer[];
}

/** The rule that decides between different contents. */
export type Preference = "most-nodes" | "newest";

/** The conditions that the content must meet. */
export interface ContentCriteria {
  /** SHA-256 that the file must have, as 64 hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** Content id that it must have. */
  readonly content?: string | undefined;
  /** The rule where contents differ. */
  readonly prefer?: Preference | undefined;
  /**
   * A file with a later time, in milliseconds since 1970, does not count as
   * newer: its node's clock is wrong, or it lies. Without this, any time
   * counts.
   */
  readonly notAfterMs?: number | undefined;
}

/** Which content to take, or why none. */
export type Choice =
  | {
    readonly kind: "taken";
    /** The content to take: the first of `groups`. */
    readonly group: ContentGroup;
    readonly groups: readonly ContentGroup[];
    /**
     * `voted` where nodes have, or may have, other contents and only their
     * number decided.
     */
    readonly basis: "agreed" | "selected" | "voted";
  }
  | {
    /** Two contents have the same number of addresses. */
    readonly kind: "undecided";
    readonly groups: readonly ContentGroup[];
    /** Offers without a hash: hashing them could decide. */
    readonly unknown: readonly Offer[];
  }
  | {
    /** No known offer fits the conditions. */
    readonly kind: "none";
    readonly groups: readonly ContentGroup[];
    /** Offers without a hash: one of them may fit. */
    readonly unknown: readonly Offer[];
  };

/**
 * Decides which of all offers to take. `isFinal` says that nothing more can be
 * found out. Nodes without a known difference then count as equal.
 */
export function chooseContent(
  offers: readonly Offer[],
  criteria: ContentCriteria,
  { isFinal }: { isFinal: boolean },
): Choice {
  const { prefer = "most-nodes" } = criteria;
  const { notAfterMs } = criteria;
  const groups = groupOffers(offers, prefer, { notAfterMs });
  if (criteria.sha256 !== undefined || criteria.content !== undefined) {
    return choosePinned(groups, criteria);
  }
  const [only] = groups;
  if (groups.length === 1 && only !== undefined) {
    return { kind: "taken", group: only, groups, basis: "agreed" };
  }
  const isSame = !differ(groups) && (isFinal || groups.every(isUnknown));
  // Pieces can be verified against a content id.
  if (isSame) groups.sort((a, b) => +isUnknown(a) - +isUnknown(b));
  const [group, ...others] = groups;
  if (group === undefined) return { kind: "none", groups, unknown: [] };
  const wins = prefer === "newest"
    ? isNewest(group, others, notAfterMs)
    : hasMost(group, others);
  if (wins || isSame) {
    const basis = criteria.prefer === undefined ? "voted" : "selected";
    return { kind: "taken", group, groups, basis };
  }
  const unknown = offers.filter(isUnknown);
  return { kind: "undecided", groups, unknown };
}

function isUnknown({ content }: { content?: string | undefined }): boolean {
  return content === undefined;
}

/**
 * The group that fits the conditions. If several claim one SHA-256, the smallest:
 * all but one lie, and it costs nothing to claim a terabyte of zeros, but takes
 * an hour to hash them. Then the one with the most votes.
 */
function choosePinned(
  groups: readonly ContentGroup[],
  { sha256, content }: ContentCriteria,
): Choice {
  const wanted = sha256?.toLowerCase();
  const isIt = (offer: Offer) =>
    (wanted === undefined || offer.sha256 === wanted) &&
    (content === undefined || offer.content === content);
  const votesFor = ({ offers }: ContentGroup) => votesOf(offers.filter(isIt));
  const fits = (group: ContentGroup) => Number(group.offers.some(isIt));
  const sorted = groups.toSorted((a, b) =>
    fits(b) - fits(a) || (wanted === undefined ? 0 : a.size - b.size) ||
    votesFor(b) - votesFor(a)
  );
  const [group] = sorted;
  if (group?.offers.some(isIt)) {
    return { kind: "taken", group, groups: sorted, basis: "selected" };
  }
  const unknown = groups.flatMap(({ offers }) => offers).filter((offer) =>
    (wanted !== undefined && offer.sha256 === undefined) ||
    (content !== undefined && offer.content === undefined)
  );
  return { kind: "none", groups, unknown };
}

/** The offers by content, in order of preference. */
export function groupOffers(
  offers: readonly Offer[],
  prefer: Preference,
  { notAfterMs }: Pick<ContentCriteria, "notAfterMs"> = {},
): ContentGroup[] {
  // The usual case, which must be fast: there may be 100,000 files.
  if (areAlike(offers)) return [groupOf(offers)];
  const groups = new Map<string, Offer[]>();
  for (const offer of offers) {
    // A content has one size: an offer with another size is wrong, or a lie.
    const key = offer.content === undefined
      ? `unhashed ${offer.node}`
      : `${offer.content} ${offer.size}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [offer]);
    else group.push(offer);
  }
  const list = Array.from(groups.values(), groupOf);
  const byVotes = (a: ContentGroup, b: ContentGroup) => b.votes - a.votes;
  const byTime = (a: ContentGroup, b: ContentGroup) =>
    newestOf(b, notAfterMs) - newestOf(a, notAfterMs);
  // Pieces can be verified against a content id, so that it wins a tie.
  const byHash = (a: ContentGroup, b: ContentGroup) =>
    Number(b.content !== undefined) - Number(a.content !== undefined);
  const order = prefer === "newest"
    ? [byTime, byVotes, byHash]
    : [byVotes, byTime, byHash];
  return list.sort((a, b) =>
    order.reduce((sum, compare) => sum || compare(a, b), 0)
  );
}

/** Whether offers, at least one, are of one content without grouping them. */
function areAlike([first, ...others]: readonly Offer[]): boolean {
  if (first === undefined) return false;
  const { content, size } = first;
  return others.length === 0 || content !== undefined &&
      others.every((other) => other.content === content && other.size === size);
}

/** The group of offers with the same content. */
function groupOf(offers: readonly Offer[]): ContentGroup {
  const { content, size } = offers[0]!;
  return {
    content,
    size,
    modifiedMs: offers.reduce(
      (latest, { modifiedMs }) => Math.max(latest, modifiedMs),
      -Infinity,
    ),
    ...isMostlyExecutable(offers) && { isExecutable: true as const },
    votes: votesOf(offers),
    offers,
  };
}

/** The number of addresses of some offers. */
export function votesOf(offers: readonly Offer[]): number {
  if (offers.length < 2) return offers.length; // as with most files
  return new Set(offers.map(({ votesAs }) => votesAs)).size;
}

/** No hash covers the executable bit, so that the majority decides. */
function isMostlyExecutable(offers: readonly Offer[]): boolean {
  if (offers.every(({ isExecutable }) => !isExecutable)) return false;
  const votes = votesOf(offers.filter(({ isExecutable }) => isExecutable));
  return 2 * votes > votesOf(offers);
}

/** Whether the groups are, or may be, different contents. */
export function differ(groups: readonly ContentGroup[]): boolean {
  if (groups.length < 2) return false;
  const contents = new Set(groups.flatMap(({ content }) => content ?? []));
  const sizes = new Set(groups.map(({ size }) => size));
  return contents.size > 1 || sizes.size > 1;
}

function isNewest(
  group: ContentGroup,
  others: readonly ContentGroup[],
  notAfterMs: number | undefined,
): boolean {
  const newestMs = newestOf(group, notAfterMs);
  return others.every((other) => {
    const otherMs = newestOf(other, notAfterMs);
    return otherMs < newestMs ||
      (otherMs === newestMs && other.votes < group.votes);
  });
}

/** The latest time that counts, or a time before all others. */
function newestOf(
  { modifiedMs, offers }: ContentGroup,
  notAfterMs = Infinity,
): number {
  if (modifiedMs <= notAfterMs) return modifiedMs;
  const times = offers.map((offer) => offer.modifiedMs);
  return Math.max(
    NO_TIME_MS,
    ...times.filter((time) => time <= notAfterMs),
  );
}

/** A time before that of any file. */
const NO_TIME_MS = -Number.MAX_VALUE;

/**
 * Whether one group has more addresses than any other content can get. Nodes
 * that have not hashed files of the same size may all have the same content,
 * even that of another group. Reads each offer twice at most, because a thousand
 * nodes may have a thousand contents.
 */
function hasMost(
  { votes }: ContentGroup,
  others: readonly ContentGroup[],
): boolean {
  /** The addresses with files of each size that were not hashed. */
  const unknown = new Map<number, Set<string>>();
  for (const other of others) {
    if (!isUnknown(other)) continue;
    const known = groupUnder(unknown, other.size);
    for (const { votesAs } of other.offers) known.add(votesAs);
  }
  return others.every((rival) => {
    const mayBeIt = unknown.get(rival.size) ?? new Set();
    // Those of an unknown rival are among them.
    const own = isUnknown(rival) ? [] : rival.offers;
    const further = new Set(
      own.flatMap(({ votesAs }) => mayBeIt.has(votesAs) ? [] : votesAs),
    );
    return mayBeIt.size + further.size < votes;
  });
}
