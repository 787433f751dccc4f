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
} as const;
