/**
 * The limits of patience: how long this program waits for a peer that only says
 * that it is working, is slow, or was refused. `limits.ts` holds them together
 * with the others.
 *
 * @module
 */

/** The unit is part of each name; the reason stands above the number. */
export const PATIENCE_LIMITS = {
  /**
   * Messages at once in which a node says that it works on an answer. It sends
   * one every 5 s, and after a network failure those of a minute arrive
   * together.
   */
  workingBurstCount: 16,
  /** The average pause between such messages. */
  workingPauseMs: 2_500,
  /**
   * Such messages in one conversation: two hours, for the largest file on a
   * slow disk.
   */
  workingCount: 1_440,
  /**
   * Extra time for a node that hashes, in one run, while another node could
   * answer: it may be hashing for others.
   */
  hashingMs: 30_000,
  /**
   * The rate at which it must hash the size that it claims: a slow card reads
   * 10 MB/s.
   */
  hashingBytesPerSecond: 5_000_000,
  /**
   * How long it may hash in all, whatever it claims, once another node has
   * answered: 30 GB from a hard disk.
   */
  hashingMostMs: 300_000,
  /**
   * Extra time for a node that hashes, in one run, while no other node could
   * answer: it may be hashing for many others.
   */
  hashingAloneMs: 300_000,
  /**
   * The rate at which it must hash in that case: a slow disk that others read
   * too.
   */
  hashingAloneBytesPerSecond: 1_000_000,
  /** After this time the client shows which node it waits for, and why. */
  hashingTellMs: 2_000,
  /**
   * How long a node may hash in one run to check a grant before it answers, if
   * there is no other node: 180 GB from a hard disk. It claims no size.
   */
  hashingFindMs: 1_800_000,
  /**
   * Buffers that clients hold together by reading slowly: those of 240
   * connections, about as many as one address may have. With what encryption
   * adds a node takes 200 MB for them. Beyond it the slowest are cut off.
   */
  slowReaderBytes: 32 * 1024 * 1024,
  /** A client that takes longer for one buffer reads slowly: 35 KB/s. */
  slowReaderMs: 2_000,
  /** How often they are checked: each check reads all of them. */
  slowReaderCheckMs: 250,
  /**
   * When file descriptors run out, connections give way, but never the last few:
   * then something else has the descriptors.
   */
  roomLeastCount: 16,
  /**
   * After a shortage, twice as many connections are tried after this time: the
   * descriptors that they need may be free again.
   */
  roomDoubleMs: 120_000,
  /** How long to wait for a source before its rate is judged. */
  slowMs: 30_000,
  /** How long a refused peer may take to read the reason. */
  partingMs: 1_000,
  /**
   * Bytes that are read from a refused peer, which sent them before it knew.
   */
  partingBytes: 64 * 1024,
  /**
   * How long a call to another instance of a relay waits for its turn: a client
   * waits 10 s for its tunnel.
   */
  clusterCallWaitMs: 2_500,
};
