/**
 * What an instance writes of one of its items. Pure: time is an argument.
 *
 * @module
 */

import type { Limits } from "../base/limits.ts";
import type { Pending } from "./outbox.ts";
import type { Replicated } from "./replicator.ts";
import type { Sealing } from "./sealing.ts";
import type { StoreRow } from "./store.ts";

/** Options of {@linkcode rowOf}. */
export interface RowOptions {
  readonly replicated: Pick<Replicated, "current">;
  readonly sealing: Sealing;
  /** The instance that writes. */
  readonly holder: string;
  /** Milliseconds of the store's clock. */
  readonly now: number;
  readonly limits: Limits;
}

/** The row for a change; `undefined` if there is nothing to write. */
export function rowOf(
  { kind, id, isNew, endedAt }: Pending,
  { replicated, sealing, holder, now, limits }: RowOptions,
): StoreRow | undefined {
  if (endedAt !== undefined) {
    // Earlier versions of the item would be valid until then.
    const until = Math.round(now + 1_000 * limits.leaseMaxSeconds);
    const head = { kind, id, sequence: endedAt, until, holder };
    return {
      ...head,
      head: sealing.formatHead({ ...head, mark: "w" }),
      body: undefined,
      hasEnded: true,
    };
  }
  const item = replicated.current({ kind, id });
  if (item === undefined || item.body.length > limits.clusterItemBytes) {
    return undefined;
  }
  const { sequence, leftMs, isAttached } = item;
  const until = Math.round(now + leftMs);
  const head = { kind, id, sequence, until, holder };
  const mark = isAttached ? "t" : "-";
  return {
    ...head,
    head: sealing.formatHead({ ...head, mark }),
    body: isNew ? sealing.formatBody(item) : undefined,
    hasEnded: false,
  };
}
