/**
 * The limits of what this program spends: the time for which it waits for a peer
 * that only says that it is working, is slow, or was refused, and the memory
 * that it takes until it collects garbage. `limits.ts` holds them together with
 * the others.
 *
 * @module
 */

const MIB = 1024 ** 2;

/** The unit is part of each name; the reason stands above the number. */
export const SPENDING_LIMITS = {
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
  hashingReportMs: 2_000,
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
   * When file descriptors run out, connections are evicted, but never the last
   * few: then something else has the descriptors.
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
  /** How often a relay checks how much memory it uses. */
  collectCheckMs: 250,
  /** Growth after which a relay collects: a fifth of a flood's cost. */
  collectGrowthBytes: 4 * MIB,
  /** A large relay waits for this growth, relative to its size. */
  collectGrowthPercent: 5,
  /**
   * How much of the growth of V8's heap counts: a node or relay collects when its
   * heap has grown by 32 MiB. V8 mostly does so before, in slices.
   */
  collectHeapPercent: 12.5,
  /** After this pause, a relay that uses more than before collects. */
  collectIdleMs: 10_000,
  /** Share of the time that may go into collecting, even on a slow machine. */
  collectBusyPercent: 5,
  /**
   * The buffer that makes V8 collect in slices: more than V8 tolerates, which
   * is 64 MiB, and as much again after each collection. It takes no memory.
   */
  collectBufferBytes: 200 * MIB,
  /** Processor time of such a collection for each MiB in use. */
  collectMsPerMib: 1.5,
  /** If it has not ended by then, another buffer follows. */
  collectAgainMs: 5_000,
  /**
   * A client with less resident memory does not collect early: with 10,000 small
   * files it took a quarter of its time. We promise 200 MiB at most.
   */
  collectClientFromBytes: 150 * MIB,
  /**
   * From this size on, a client collects at once: slices did not keep it
   * smaller.
   */
  collectClientAtOnceBytes: 170 * MIB,
  /** Growth of its heap after which a client collects. */
  collectClientGrowthBytes: 16 * MIB,
  /** Its share of the time: a list of 100,000 files takes 0.2 s. */
  collectClientBusyPercent: 25,
  /**
   * A node or relay whose heap is larger never stops for a whole collection:
   * with 300,000 files that took up to 0.9 s. Usually half of this is garbage.
   */
  collectWholeHeapBytes: 48 * MIB,
  /**
   * Its share of the time, so that few requests wait: 0.1 s in 2.5 s. With 0.1 s
   * in 5 s, a node that sends whole lists to eight clients took 201 MB.
   */
  collectWholeBusyPercent: 4,
  /** Then it also collects after this pause, if it uses more than at first. */
  collectWholeIdleMs: 60_000,
};
