/**
 * Exchanges the holders of swarms between the instances of a relay: sends
 * those of this instance, and receives the others. Each received holder is
 * checked as if an unknown client had sent it. A client of any instance finds
 * the holders of all instances.
 *
 * @module
 */

import { CLOSED, wrongField } from "../base/checks.ts";
import type {
  HeldItem,
  Item,
  ItemKey,
  Replicator,
  TakeOutcome,
} from "../cluster/replicator.ts";
import type { HolderSide } from "./cluster_side.ts";
import type { RelayContext } from "./context.ts";
import type { Holder } from "./holders.ts";
import { HOLDER_FIELDS } from "./instance_checks.ts";
import type { HolderBody } from "./instance_schemas.ts";
import { openReplicated, parseItem } from "./replicated_record.ts";

/** Options of {@linkcode HolderReplicas}. */
export interface HolderReplicasOptions {
  readonly replicator: Pick<Replicator, "changed" | "ended">;
  readonly relay: Pick<RelayContext, "id" | "holders" | "entries" | "limits">;
}

/** A holder of this instance, as it was last sent. */
interface Own {
  readonly holder: Holder;
  readonly host: string;
  sequence: number;
  published: string;
}

/** The holders of the other instances. */
export class HolderReplicas implements HolderSide {
  readonly #options: HolderReplicasOptions;
  readonly #own = new Map<string, Own>();
  readonly #others = new Map<string, { holder: Holder; sequence: number }>();
  /**
   * Those that withdrew elsewhere, in the order in which they are forgotten.
   */
  readonly #left = new Map<string, { sequence: number; until: number }>();

  constructor(options: HolderReplicasOptions) {
    this.#options = options;
  }

  entered(holder: Holder, host: string): void {
    const { id } = holder;
    // An earlier message of another instance about it is older.
    const before = Math.max(this.#sequenceOf(id), this.#leftAt(id));
    this.#others.delete(id);
    const sequence = Math.max(before + 1, Date.now());
    this.#own.set(id, { holder, host, sequence, published: "" });
  }

  held(holder: Holder): void {
    const { holders } = this.#options.relay;
    const own = this.#own.get(holder.id);
    if (own?.holder !== holder) return;
    const published = [holder.reached, ...holders.contentsOf(holder)].join(" ");
    const isNew = published !== own.published;
    if (isNew && own.published !== "") own.sequence++;
    own.published = published;
    this.#options.replicator.changed({ kind: "h", id: holder.id }, { isNew });
  }

  left(holder: Holder): void {
    const own = this.#own.get(holder.id);
    if (own?.holder !== holder) return;
    this.#own.delete(holder.id);
    this.#options.replicator.ended(
      { kind: "h", id: holder.id },
      own.sequence,
    );
  }

  /** What this instance holds under an id. */
  current({ id }: ItemKey): Item | undefined {
    const { holders, entries } = this.#options.relay;
    const own = this.#own.get(id);
    const now = performance.now();
    if (own === undefined) return undefined;
    const { holder, host, sequence } = own;
    if (holders.ownEndOf(holder) <= now) return undefined;
    const { record, certificate, signature } = entries.signedIn(holder.entry);
    const { reached } = holder;
    const contents = holders.contentsOf(holder);
    return {
      ...{ kind: "h", id, sequence, isAttached: false },
      leftMs: holders.ownEndOf(holder) - now,
      body: JSON.stringify({
        ...{ record, certificate, signature, host, reached, contents },
      }),
    };
  }

  /** All that this instance holds. */
  *own(): Iterable<ItemKey> {
    for (const id of this.#own.keys()) yield { kind: "h", id };
  }

  /** Renews one of another instance, unless its body is needed. */
  renew(
    { id, sequence }: Pick<HeldItem, "id" | "sequence">,
  ): "extended" | "stale" | undefined {
    if (sequence < this.#sequenceOf(id)) return "stale";
    if (this.#own.get(id)?.sequence === sequence) return "stale";
    const known = this.#others.get(id);
    if (known?.sequence !== sequence) {
      return this.#leftAt(id) >= sequence ? "stale" : undefined;
    }
    const { holders } = this.#options.relay;
    return holders.renew(known.holder, performance.now())
      ? "extended"
      : undefined;
  }

  /** Takes one of another instance. Checks all else before the signature. */
  async take({ id, sequence, body }: HeldItem): Promise<TakeOutcome> {
    const { relay } = this.#options;
    const { holders } = relay;
    const parsed = parseItem(body);
    const isRight = wrongField(parsed, HOLDER_FIELDS, CLOSED) === undefined;
    if (!isRight) return "unproven";
    const { reached, contents, ...sent } = parsed as HolderBody;
    const known = (this.#own.get(id) ?? this.#others.get(id))?.holder.entry;
    const record = await openReplicated(sent, {
      ...{ relay, purpose: "hold", id, known },
    });
    if (record === undefined) return "unproven";
    if (sequence <= Math.max(this.#sequenceOf(id), this.#leftAt(id))) {
      return "stale"; // something newer has arrived meanwhile
    }
    const now = performance.now();
    const { entry, listedBytes, group, source } = record;
    const entrant = { id, entry, listedBytes, group, source };
    const outcome = holders.enter(entrant, now);
    if ("refusal" in outcome) return "full";
    this.#own.delete(id);
    holders.reach(outcome, reached);
    if (holders.hold(outcome, contents, now) !== undefined) {
      holders.leave(outcome);
      return "full";
    }
    this.#forget(now);
    this.#others.set(id, { holder: outcome, sequence });
    return "taken";
  }

  /** A holder has stopped at another instance. */
  leave({ id, sequence }: Pick<Item, "id" | "sequence">): void {
    const { holders, limits } = this.#options.relay;
    const now = performance.now();
    this.#forget(now);
    // Everything written before has expired by then.
    const until = now + 1_000 * limits.leaseSeconds;
    if (this.#left.size < limits.holderCount) {
      this.#left.delete(id);
      this.#left.set(id, { sequence, until });
    }
    const known = this.#others.get(id);
    if (known === undefined || known.sequence > sequence) return;
    this.#others.delete(id);
    holders.leave(known.holder);
  }

  /** The newest that is listed here; -1 if none is. */
  #sequenceOf(id: string): number {
    const known = this.#own.get(id) ?? this.#others.get(id);
    const isOver = (known?.holder.expiresAt ?? 0) <= performance.now();
    return isOver ? -1 : known!.sequence;
  }

  #leftAt(id: string): number {
    return this.#left.get(id)?.sequence ?? -1;
  }

  /** Forgets expired items. */
  #forget(now: number): void {
    for (const [id, { until }] of this.#left) {
      if (until > now) break;
      this.#left.delete(id);
    }
    for (const [id, { holder }] of this.#others) {
      if (holder.expiresAt <= now) this.#others.delete(id);
    }
  }
}
