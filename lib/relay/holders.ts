/**
 * The relay's table of holders: clients that serve contents while they fetch,
 * by the fingerprints of these contents. It is separate from the registry of
 * nodes, and has its own limits. Pure: time and randomness are arguments, there
 * are no timers and no sockets. The table does not look into the entries that
 * it stores.
 *
 * All leases last equally long, so the order of renewal is the order in which
 * they end, and the map of the holders is in that order. `expiresAt` alone
 * decides whether a lease is valid, and every read checks it.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";

/** A client that enters; its signature has been checked. */
export interface Entrant {
  /** Id of its key. */
  readonly id: string;
  /** Its part of an answer, packed by the caller. */
  readonly entry: string;
  /** Bytes of the entry in an answer, unpacked. */
  readonly listedBytes: number;
  /** The group of the address from which it connected. */
  readonly group: string;
  /**
   * The key under which limits count it: the group, unless many clients share
   * that.
   */
  readonly source: string;
}

/** A client in the table. */
export interface Holder extends Entrant {
  /** End of the lease, in milliseconds on the caller's monotonic clock. */
  readonly expiresAt: number;
  /** Whether the relay can dial it, by the last result. */
  reached: "alive" | "gone" | "unchecked";
}

/** Why a client, or its contents, were refused. */
export type HolderRefusal =
  | "too_many_holders"
  | "too_many_holders_for_address"
  | "too_many_contents"
  | "too_many_contents_for_address"
  | "lease_ended";

interface MutableHolder extends Holder {
  expiresAt: number;
  contents: Set<Crowd>;
}

/** The holders of one content at one address. */
interface CrowdGroup {
  readonly source: string;
  readonly holders: MutableHolder[];
  /** Its place among the groups of its crowd. */
  index: number;
}

/** The holders of one content. */
interface Crowd {
  readonly content: string;
  readonly groups: CrowdGroup[];
  readonly bySource: Map<string, CrowdGroup>;
  count: number;
}

interface SourceCounts {
  holders: number;
  holdings: number;
}

/** The table of holders. */
export class Holders {
  readonly #limits: Limits;
  /** The holders, in the order in which their leases end. */
  readonly #byId = new Map<string, MutableHolder>();
  readonly #crowds = new Map<string, Crowd>();
  readonly #perSource = new Map<string, SourceCounts>();
  #holdings = 0;
  #heldMs = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Extends all leases, beyond the time for which they were granted. */
  holdAll(ms: number): void {
    const more = ms - this.#heldMs;
    this.#heldMs = ms;
    for (const holder of this.#byId.values()) holder.expiresAt += more;
  }

  /** The end of the time for which a lease was granted. */
  ownEndOf({ expiresAt }: Pick<Holder, "expiresAt">): number {
    return expiresAt - this.#heldMs;
  }

  /** Clients in the table, and expired ones that are not swept yet. */
  get count(): number {
    return this.#byId.size;
  }

  /** Contents that one of them holds. */
  get contentCount(): number {
    return this.#crowds.size;
  }

  /**
   * Why a client cannot enter. This is checked before its signature, which costs
   * more.
   */
  refusalOf(
    { id, source }: Pick<Entrant, "id" | "source">,
    now: number,
  ): HolderRefusal | undefined {
    this.expire(now);
    const { holderCount, holdersPerAddressCount } = this.#limits;
    const former = this.#byId.get(id);
    const isFull = former === undefined && this.#byId.size >= holderCount;
    if (isFull && this.#kept(now) === undefined) return "too_many_holders";
    const beside = this.#perSource.get(source)?.holders ?? 0;
    return former?.source !== source && beside >= holdersPerAddressCount &&
        this.#kept(now, source) === undefined
      ? "too_many_holders_for_address"
      : undefined;
  }

  /**
   * The client that has been kept longest after its lease ended; only at one
   * address, if given.
   */
  #kept(now: number, source?: string): MutableHolder | undefined {
    if (this.#heldMs === 0) return undefined;
    for (const holder of this.#byId.values()) {
      if (this.ownEndOf(holder) > now) return undefined; // so are the others
      if (source === undefined || holder.source === source) return holder;
    }
    return undefined;
  }

  /** Ends a lease that is only kept, if there is no room for another client. */
  #makeRoom(source: string, now: number): void {
    const { holderCount, holdersPerAddressCount } = this.#limits;
    const beside = this.#perSource.get(source)?.holders ?? 0;
    const kept = beside >= holdersPerAddressCount
      ? this.#kept(now, source)
      : this.#byId.size >= holderCount
      ? this.#kept(now)
      : undefined;
    if (kept !== undefined) this.#remove(kept);
  }

  /**
   * Adds a client, without contents at first. If its key has a place already,
   * the new connection replaces the old one.
   */
  enter(
    entrant: Entrant,
    now: number,
  ): Holder | { readonly refusal: HolderRefusal } {
    const refusal = this.refusalOf(entrant, now);
    if (refusal !== undefined) return { refusal };
    const former = this.#byId.get(entrant.id);
    if (former !== undefined) this.leave(former);
    this.#makeRoom(entrant.source, now);
    const holder: MutableHolder = {
      ...entrant,
      expiresAt: this.#endFrom(now),
      reached: "unchecked",
      contents: new Set(),
    };
    this.#byId.set(holder.id, holder);
    this.#countSource(holder.source, { holders: 1, holdings: 0 });
    return holder;
  }

  /**
   * Renews the lease, and replaces the contents that the client holds. If there
   * are too many, the previous ones stay.
   */
  hold(
    holder: Holder,
    contents: readonly string[],
    now: number,
  ): HolderRefusal | undefined {
    this.expire(now);
    const mine = this.#alive(holder, now);
    if (mine === undefined) return "lease_ended";
    this.#renew(mine, now);
    const wanted = new Set(contents);
    const { contentsPerHolderCount, holdingCount, holdingsPerAddressCount } =
      this.#limits;
    const more = wanted.size - mine.contents.size;
    const beside = this.#perSource.get(mine.source)!.holdings;
    if (
      wanted.size > contentsPerHolderCount ||
      more > 0 && this.#holdings + more > holdingCount
    ) return "too_many_contents";
    if (more > 0 && beside + more > holdingsPerAddressCount) {
      return "too_many_contents_for_address";
    }
    for (const crowd of mine.contents) {
      if (!wanted.delete(crowd.content)) this.#drop(mine, crowd);
    }
    for (const content of wanted) this.#add(mine, content);
    return undefined;
  }

  /**
   * Renews the lease without changing the contents. Returns whether it could.
   */
  renew(holder: Holder, now: number): boolean {
    const mine = this.#alive(holder, now);
    if (mine !== undefined) this.#renew(mine, now);
    return mine !== undefined;
  }

  /** Notes whether a client can be dialled. */
  reach({ id }: Holder, reached: Holder["reached"]): void {
    const mine = this.#byId.get(id);
    if (mine !== undefined) mine.reached = reached;
  }

  /** The contents that a client holds. */
  contentsOf({ id }: Holder): readonly string[] {
    const contents = this.#byId.get(id)?.contents ?? [];
    return Array.from(contents, ({ content }) => content);
  }

  #renew(holder: MutableHolder, now: number): void {
    holder.expiresAt = this.#endFrom(now);
    this.#byId.delete(holder.id); // it goes to the end
    this.#byId.set(holder.id, holder);
  }

  #endFrom(now: number): number {
    return now + this.#limits.leaseSeconds * 1_000 + this.#heldMs;
  }

  /** Ends a lease early, unless another connection has taken it over. */
  leave(holder: Holder): void {
    const mine = this.#byId.get(holder.id);
    if (mine !== undefined && mine === holder) this.#remove(mine);
  }

  /**
   * Holders of a content, at most `most` of them: one of each address in random
   * order, then a second one, and so on, so that no address crowds out others.
   * Leaves out those that the relay could not dial, except for clients at the
   * same address: these may reach each other behind it.
   */
  list(
    content: string,
    { self, near, most, random }: {
      /** Id of the client that asks, if it is a holder itself. */
      self: string | undefined;
      /** The group of the address from which it connected. */
      near: string;
      most: number;
      /** Returns a number from 0 to below 1. */
      random: () => number;
    },
    now: number,
  ): readonly Holder[] {
    this.expire(now);
    const { groups = [] } = this.#crowds.get(content) ?? {};
    const chosen: Holder[] = [];
    const isWanted = (holder: Holder) =>
      holder.id !== self && holder.expiresAt > now &&
      (holder.reached !== "gone" || holder.group === near);
    let turns: Iterator<Holder>[] = [];
    for (const group of shuffled(groups, random)) {
      if (chosen.length >= most) return chosen;
      const turn = shuffled(group.holders, random).filter(isWanted);
      const { value, done } = turn.next();
      if (done) continue;
      chosen.push(value);
      turns.push(turn);
    }
    while (turns.length > 0 && chosen.length < most) {
      turns = turns.filter((turn) => {
        if (chosen.length >= most) return false;
        const { value, done } = turn.next();
        if (!done) chosen.push(value);
        return !done;
      });
    }
    return chosen;
  }

  /** Holders of a content, and expired ones that are not swept yet. */
  countOf(content: string): number {
    return this.#crowds.get(content)?.count ?? 0;
  }

  /**
   * Removes expired leases, a limited number at a time so that others need not
   * wait.
   *
   * @returns whether some are left.
   */
  expire(now: number): boolean {
    let left = this.#limits.sweepCount;
    for (const holder of this.#byId.values()) {
      if (holder.expiresAt > now) return false; // so are the others
      if (left-- === 0) return true;
      this.#remove(holder);
    }
    return false;
  }

  /** The holder itself, if its lease has neither ended nor been taken over. */
  #alive(holder: Holder, now: number): MutableHolder | undefined {
    const mine = this.#byId.get(holder.id);
    return mine === holder && mine.expiresAt > now ? mine : undefined;
  }

  #remove(holder: MutableHolder): void {
    for (const crowd of holder.contents) this.#drop(holder, crowd);
    this.#byId.delete(holder.id);
    this.#countSource(holder.source, { holders: -1, holdings: 0 });
  }

  #add(holder: MutableHolder, content: string): void {
    const crowd: Crowd = this.#crowds.get(content) ??
      { content, groups: [], bySource: new Map(), count: 0 };
    this.#crowds.set(content, crowd);
    const { source } = holder;
    const group: CrowdGroup = crowd.bySource.get(source) ??
      { source, holders: [], index: crowd.groups.length };
    if (group.holders.length === 0) {
      crowd.bySource.set(source, group);
      crowd.groups.push(group);
    }
    group.holders.push(holder);
    crowd.count++;
    holder.contents.add(crowd);
    this.#holdings++;
    this.#countSource(source, { holders: 0, holdings: 1 });
  }

  #drop(holder: MutableHolder, crowd: Crowd): void {
    const { source } = holder;
    const group = crowd.bySource.get(source)!;
    // At most as many as one address may have.
    removeAt(group.holders, group.holders.indexOf(holder));
    if (group.holders.length === 0) {
      crowd.bySource.delete(source);
      const moved = removeAt(crowd.groups, group.index);
      if (moved !== undefined) moved.index = group.index;
    }
    if (--crowd.count === 0) this.#crowds.delete(crowd.content);
    holder.contents.delete(crowd);
    this.#holdings--;
    this.#countSource(source, { holders: 0, holdings: -1 });
  }

  #countSource(source: string, { holders, holdings }: SourceCounts): void {
    const counts = this.#perSource.get(source) ?? { holders: 0, holdings: 0 };
    counts.holders += holders;
    counts.holdings += holdings;
    if (counts.holders === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, counts);
  }
}

/** Replaces an item by the last one; returns that one if it was another. */
function removeAt<T>(items: T[], index: number): T | undefined {
  const last = items.pop()!;
  if (index === items.length) return undefined;
  items[index] = last;
  return last;
}

/**
 * The items in random order, one at a time (Fisher and Yates). Moves nothing:
 * it remembers which items would have been swapped.
 */
function* shuffled<T>(
  items: readonly T[],
  random: () => number,
): Generator<T, undefined> {
  const moved = new Map<number, number>();
  for (let left = items.length; left > 0; left--) {
    const at = Math.floor(random() * left);
    yield items[moved.get(at) ?? at]!;
    moved.set(at, moved.get(left - 1) ?? left - 1);
  }
}
