/**
 * Which content of a name to take when nodes differ. Pure.
 *
 * Nodes are grouped by content id, and pieces of two groups are never mixed. A
 * node that has not hashed its file yet is a group of its own. Groups are
 * weighed by the addresses at which their nodes were reached: ids are free to
 * make, addresses are not. A tie is not decided.
 *
 * @module
 */

/** What one node offers under a name. */
export interface Offer {
  /** Id of the node. */
  readonly node: string;
  /** What its vote is counted by: offers that have it in common count once. */
  readonly votesAs: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last written there, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Whether it can be run there. */
  readonly isExecutable?: true;
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
  /** Whether it can be run at more than half of the addresses. */
  readonly isExecutable?: true;
  /** Addresses at which nodes were reached that have it. */
  readonly votes: number;
  /** The offers, one a node. */
  readonly offers: readonly Offer[];
}

/** What decides between contents. */
export type Preference = "most-nodes" | "newest";

/** What a person says of the content that they want. */
export interface Wish {
  /** SHA-256 that the file must have, 64 hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** Content id that it must have. */
  readonly content?: string | undefined;
  /** What decides where contents differ. */
  readonly prefer?: Preference | undefined;
  /**
   * A file written later, in milliseconds since 1970, is newer than no other: its
   * node's clock is wrong, or it lies. Any time counts where this is absent.
   */
  readonly notAfterMs?: number | undefined;
}

/** Which content to take, if any. */
export type Choice =
  | {
    readonly kind: "taken";
    /** The content to take: the first of `groups`. */
    readonly group: ContentGroup;
    readonly groups: readonly ContentGroup[];
    /**
     * `voted` where nodes have, or may have, other contents and nothing but
     * their number decided.
     */
    readonly basis: "agreed" | "wished" | "voted";
  }
  | {
    /** As many addresses have one content as another. */
    readonly kind: "undecided";
    readonly groups: readonly ContentGroup[];
    /** Offers that could decide it, were they hashed. */
    readonly unknown: readonly Offer[];
  }
  | {
    /** No node is known to offer what is wished for. */
    readonly kind: "none";
    readonly groups: readonly ContentGroup[];
    /** Offers that may be it, were they hashed. */
    readonly unknown: readonly Offer[];
  };

/**
 * Which content of all that is offered to take. `isFinal` where no more can be
 * found out: then nodes of which no difference is known are taken to agree.
 */
export function chooseContent(
  offers: readonly Offer[],
  wish: Wish,
  { isFinal }: { isFinal: boolean },
): Choice {
  const { prefer = "most-nodes" } = wish;
  const { notAfterMs } = wish;
  const groups = groupOffers(offers, prefer, { notAfterMs });
  if (wish.sha256 !== undefined || wish.content !== undefined) {
    return choosePinned(groups, wish);
  }
  const isSame = !differ(groups) && (isFinal || groups.every(isUnknown));
  // A content id is something to hold pieces to.
  if (isSame) groups.sort((a, b) => +isUnknown(a) - +isUnknown(b));
  const [group, ...others] = groups;
  if (group === undefined) return { kind: "none", groups, unknown: [] };
  if (others.length === 0) {
    return { kind: "taken", group, groups, basis: "agreed" };
  }
  const wins = prefer === "newest"
    ? isNewest(group, others, notAfterMs)
    : hasMost(group, others);
  if (wins || isSame) {
    const basis = wish.prefer === undefined ? "voted" : "wished";
    return { kind: "taken", group, groups, basis };
  }
  const unknown = offers.filter(isUnknown);
  return { kind: "undecided", groups, unknown };
}

function isUnknown({ content }: { content?: string | undefined }): boolean {
  return content === undefined;
}

/** The group of the content that is wished for: most votes first, if several. */
function choosePinned(
  groups: readonly ContentGroup[],
  { sha256, content }: Wish,
): Choice {
  const wanted = sha256?.toLowerCase();
  const isIt = (offer: Offer) =>
    (wanted === undefined || offer.sha256 === wanted) &&
    (content === undefined || offer.content === content);
  const votesFor = ({ offers }: ContentGroup) => votesOf(offers.filter(isIt));
  const sorted = groups.toSorted((a, b) => votesFor(b) - votesFor(a));
  const [group] = sorted;
  if (group?.offers.some(isIt)) {
    return { kind: "taken", group, groups: sorted, basis: "wished" };
  }
  const unknown = groups.flatMap(({ offers }) => offers).filter((offer) =>
    (wanted !== undefined && offer.sha256 === undefined) ||
    (content !== undefined && offer.content === undefined)
  );
  return { kind: "none", groups, unknown };
}

/** The offers by content, the one to take first. */
export function groupOffers(
  offers: readonly Offer[],
  prefer: Preference,
  { notAfterMs }: Pick<Wish, "notAfterMs"> = {},
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
    ...isMostlyExecutable(group) && { isExecutable: true as const },
    votes: votesOf(group),
    offers: group,
  }));
  const byVotes = (a: ContentGroup, b: ContentGroup) => b.votes - a.votes;
  const byTime = (a: ContentGroup, b: ContentGroup) =>
    newestOf(b, notAfterMs) - newestOf(a, notAfterMs);
  // A content id is something to hold pieces to: it wins where all else is equal.
  const byHash = (a: ContentGroup, b: ContentGroup) =>
    Number(b.content !== undefined) - Number(a.content !== undefined);
  const order = prefer === "newest"
    ? [byTime, byVotes, byHash]
    : [byVotes, byTime, byHash];
  return list.sort((a, b) =>
    order.reduce((sum, compare) => sum || compare(a, b), 0)
  );
}

function votesOf(offers: readonly Offer[]): number {
  return new Set(offers.map(({ votesAs }) => votesAs)).size;
}

/** The bit is no part of the content, and no hash vouches for it: most decide. */
function isMostlyExecutable(offers: readonly Offer[]): boolean {
  const votes = votesOf(offers.filter(({ isExecutable }) => isExecutable));
  return 2 * votes > votesOf(offers);
}

/** Whether the groups are known, or seem, to be different contents. */
export function differ(groups: readonly ContentGroup[]): boolean {
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

/** The latest of its times that counts, or a time before all others. */
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

/** Before the first time that files have. */
const NO_TIME_MS = -Number.MAX_VALUE;

/**
 * Whether more addresses have a content than can have any other: nodes that have
 * not hashed files of one size may have the same, and that of another group.
 */
function hasMost(
  { votes }: ContentGroup,
  others: readonly ContentGroup[],
): boolean {
  return others.every((rival) => {
    const mayBeIt = others.filter((other) =>
      other === rival ||
      (isUnknown(other) && other.size === rival.size)
    );
    return votesOf(mayBeIt.flatMap(({ offers }) => offers)) < votes;
  });
}
