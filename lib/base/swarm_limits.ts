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
  /** A source that brings a piece quicker than this may have one more at once. */
  swarmQuickMs: 250,
  /** A source that takes longer for a piece gets one at a time again. */
  swarmSlowMs: 2_000,
  /** Pieces in one request to a complete holder; others are asked for one. */
  swarmRunPieceCount: 4,
  /** When so few pieces are left, a second source is asked for each. */
  swarmEndPieceCount: 4,
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
  /** Readers that a client sends pieces to at a time; the others wait. */
  swarmReaderCount: 8,
  /** Requests of one reader that wait: as many as its window allows. */
  swarmReaderQueueCount: 16,
} as const;
