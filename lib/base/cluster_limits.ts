/**
 * The limits of a relay on several machines: how its instances tell each other
 * of their nodes. `limits.ts` holds them together with the others.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The unit is part of each name; the reason stands above the number. */
export const CLUSTER_LIMITS = {
  /**
   * For the store to answer: no request waits for it, so this only says when it
   * counts as away.
   */
  clusterCommandMs: 500,
  /** For a connection to the store, and its greeting. */
  clusterConnectMs: 2_000,
  /** Between two attempts to reach the store, at most: it is used soon after. */
  clusterRetryMs: 2_000,
  /** Between two attempts to write to a store that takes no writes. */
  clusterWriteRetryMs: 2_000,
  /** How long the stream is waited for at once. */
  clusterFollowMs: 2_000,
  /** Between two looks at how things stand. */
  clusterBeatMs: 2_000,
  /** An instance that has not told of itself for so long is gone: seven looks. */
  clusterInstanceMs: 15_000,
  /** Instances that are listened to: more would not help any relay. */
  clusterInstanceCount: 64,
  /** How long changes are gathered: a tenth of what a person notices. */
  clusterBatchMs: 50,
  /** Items written at once: 0.2 MB, and 2 ms of the store. */
  clusterBatchCount: 200,
  /** Items read at once when all are read. */
  clusterPageCount: 500,
  /** Batches in the stream: 10 minutes and more, at 32 KB each. */
  clusterStreamCount: 20_000,
  /** An item: a node's entry, as it is listed, and more room than it needs. */
  clusterItemBytes: 8 * KIB,
  /** An answer of the store: two pages of the largest items. */
  clusterReplyBytes: 8 * MIB,
  /** How many times as long other instances' leases last with the store away. */
  clusterHoldTimes: 3,
  /** So long after all was read again they last as long as they do. */
  clusterHealMs: 15_000,
  /** Between two lines that say the same of the store. */
  clusterNoteMs: 60_000,
};
