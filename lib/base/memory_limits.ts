/**
 * The limits that decide when a process collects garbage. `limits.ts` holds them
 * together with the others.
 *
 * @module
 */

const MIB = 1024 ** 2;

/** The unit is part of each name; the reason stands above the number. */
export const MEMORY_LIMITS = {
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
  /** With so much, a client collects at once: slices did not keep it smaller. */
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
