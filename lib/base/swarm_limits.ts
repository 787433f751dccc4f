/**
 * The numbers of a swarm: how a client asks others for pieces, and serves them.
 * They are a part of {@linkcode LIMITS}.
 *
 * @module
 */

/** The unit is part of each name; the reason stands above the number. */
export const SWARM_LIMITS = {
  /** Pieces of a swarm that one source may be asked for at once. */
  swarmWindowPieceCount: 16,
  /**
   * A source that brings a piece quicker than this may have one more at once.
   * With 250 ms, 50 clients at 4 MB/s need a tenth longer: more of them wait for
   * the same pieces of the seed.
   */
  swarmQuickMs: 100,
  /** A source that takes longer for a piece gets one at a time again. */
  swarmSlowMs: 2_000,
  /** Pieces in one request to a complete holder; others are asked for one. */
  swarmRunPieceCount: 4,
  /** When so few pieces are left, a second source is asked for each. */
  swarmEndPieceCount: 4,
  /**
   * A source must need this much longer for its pieces to lose one of a swarm to
   * an idle one. What it sends nonetheless is sent for nothing: with `takeOverMs`
   * a fifth of all pieces, in a swarm of 50 at 4 MB/s.
   */
  swarmTakeOverMs: 4_000,
  /** Clients of a swarm that one client dials. */
  swarmDialCount: 8,
  /** Clients that it accepts: more than it dials, so that newcomers get in. */
  swarmAcceptCount: 24,
  /** A link over which no piece went for so long gives its place to another. */
  swarmIdleMs: 10_000,
  /** A holder whose link ended, or that could not be dialled, rests so long. */
  swarmRetryMs: 30_000,
  /** At first, a client asks the relay for holders often. */
  swarmAskSoonMs: 30_000,
  /** How often that is: a client that has just begun knows few others. */
  swarmAskEveryMs: 3_000,
  /** How often it asks later. */
  swarmAskLaterMs: 15_000,
  /** Buffers that a client sends from: a file that it receives takes more. */
  swarmSendBytes: 8 * 1024 * 1024,
  /**
   * Readers of one content that are sent to at a time; the others wait. With 8, a
   * swarm of 50 at 4 MB/s needs a twentieth longer.
   */
  swarmReaderCount: 4,
  /** Requests of one reader that wait: as many as its window allows. */
  swarmReaderQueueCount: 16,
} as const;
