/**
 * The limits of patience: how long a peer may make this program wait that only
 * says that it works, is slow, or was turned away. `limits.ts` holds them
 * together with the others.
 *
 * @module
 */

/** The unit is part of each name; the reason stands above the number. */
export const PATIENCE_LIMITS = {
  /**
   * Words at once that a node works on an answer: it says so every 5 s, and a
   * network that stood still brings those of a minute together.
   */
  workingBurstCount: 16,
  /** How often it may say so over a longer time. */
  workingPauseMs: 2_500,
  /**
   * Times that it may say so in one conversation: two hours, for the largest file
   * on a slow disk.
   */
  workingCount: 1_440,
  /**
   * How long a node may hash beside what it claims to hash, in one run, while
   * another could answer: it may be hashing for others.
   */
  hashingMs: 30_000,
  /** What it must hash of that beside: a slow card reads 10 MB/s. */
  hashingBytesPerSecond: 5_000_000,
  /**
   * How long it may hash in all, whatever it claims, once another node has
   * answered: 30 GB from a hard disk.
   */
  hashingMostMs: 300_000,
  /**
   * How long a node may hash beside what it claims to hash, in one run, while no
   * other could answer: it may be hashing for many others.
   */
  hashingAloneMs: 300_000,
  /** What it must hash of that beside: a slow disk that others read as well. */
  hashingAloneBytesPerSecond: 1_000_000,
  /** After this time the user is told which node is awaited, and for what. */
  hashingTellMs: 2_000,
  /**
   * How long a node may hash in one run before it says what it has, because of a
   * grant, while there is no other: 180 GB from a hard disk. It claims no size.
   */
  hashingFindMs: 1_800_000,
  /** Of waiting for a source, after which it can be judged by its rate. */
  slowMs: 30_000,
  /** How long a peer that was turned away may take to read why. */
  partingMs: 1_000,
  /** What is read of a peer that was turned away: it sent it before it knew. */
  partingBytes: 64 * 1024,
};
