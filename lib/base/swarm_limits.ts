/**
 * The limits of a client that fetches with others: how it asks them for pieces,
 * and serves them. `limits.ts` holds them together with the others.
 *
 * @module
 */

const MIB = 1024 * 1024;

/** The unit is part of each name; the reason stands above the number. */
export const SWARM_LIMITS = {
  /** Pieces of a swarm that one source may be asked for at once. */
  swarmWindowPieceCount: 16,
  /** The same while no other client fetches the file: `windowBytes` of pieces. */
  swarmAloneWindowPieceCount: 32,
  /**
   * A source may have as many pieces as it sends within this time, and one more
   * for each that took less; 250 does no better.
   */
  swarmQuickMs: 100,
  /** A source that takes longer for a piece gets one at a time again. */
  swarmSlowMs: 2_000,
  /**
   * Pieces in one request to a complete holder; others are asked for one. Also
   * the most pieces of one turn: a longer request has several.
   */
  swarmRunPieceCount: 4,
  /** When this few pieces are left, a second source is asked for each. */
  swarmEndPieceCount: 4,
  /**
   * A source loses a piece of a swarm to an idle source only if it needs this
   * much longer. What it still sends is wasted: with `takeOverMs` a seventh of
   * all pieces, in a swarm of 50 at 4 MB/s.
   */
  swarmTakeOverMs: 4_000,
  /** Clients of a swarm that one client dials. */
  swarmDialCount: 8,
  /**
   * Of these, how many a client dials after each answer of the relay that names
   * some. Clients that begin together get the same first answer, and would all
   * read from the same few. With 8, half of a swarm of 50 had 24 readers, and
   * many had none.
   */
  swarmFirstDialCount: 4,
  /**
   * A connection that has sent nothing for this time, or an offer of which no
   * piece was taken, ends if another holder is known that has no connection
   * yet. Most turns come sooner: with 24 readers, 6 turns of 4 pieces of 1 MiB
   * at 1 MB/s take 25 s.
   */
  swarmConnectionIdleMs: 60_000,
  /** Clients that read from it: more than it dials, so that newcomers get in. */
  swarmAcceptCount: 24,
  /**
   * Handshakes under way with it, beside those: as many as one address may have
   * elsewhere, 2.5 MiB.
   */
  swarmHandshakeCount: 64,
  /**
   * Clients that have dialled it and give it pieces: as many as it dials. Those
   * cannot be dialled.
   */
  swarmOfferCount: 8,
  /**
   * An offer that has given nothing for this time may be replaced by another: a
   * piece of 1 MiB over a line of 1 Mbit/s takes 8 s.
   */
  swarmOfferIdleMs: 10_000,
  /**
   * Address groups that wait for such a place; further ones are not remembered.
   */
  swarmOfferWaitingCount: 64,
  /**
   * A client that the relay cannot dial offers pieces to others of its own
   * address if none of them has dialled it for this time, in which they ask the
   * relay for holders twice.
   */
  swarmNearOfferMs: 6_000,
  /**
   * A holder whose connection ended, or that could not be dialled, is not
   * dialled for this time.
   */
  swarmRetryMs: 30_000,
  /** The first of these pauses; each further one is twice as long. */
  swarmFirstRetryMs: 3_000,
  /** A client asks the relay for holders again after this time, then later. */
  swarmRequestFirstMs: 1_000,
  /** At first, it asks often. */
  swarmRequestSoonMs: 30_000,
  /** The pause at first: a client that has just begun knows few others. */
  swarmRequestEveryMs: 3_000,
  /** The pause later. */
  swarmRequestLaterMs: 15_000,
  /** Buffers that a client sends from: a file that it receives takes more. */
  swarmSendBytes: 8 * MIB,
  /**
   * Readers of one content that are served at a time; the others wait. With 8,
   * a swarm of 50 at 4 MB/s needs a tenth longer (1.43 copies and not 1.30).
   */
  swarmReaderCount: 4,
  /**
   * Pieces that are sent a second time to readers that asked later, before the
   * reader that waits longest has its turn. Later readers know better what they
   * cannot get elsewhere.
   */
  swarmPassCount: 7,
  /**
   * Address groups that a sender remembers as slow while they ask for nothing: a
   * record takes some 200 bytes.
   */
  swarmLateGroupCount: 1_024,
  /** Requests of one reader that wait: as many as its window allows. */
  swarmReaderQueueCount: 16,
  /** Smaller files are fetched before a client has met another. */
  swarmFromBytes: 8 * MIB,
  /** How often a client looks whether others could help with a file. */
  swarmLookMs: 250,
  /** They can help if the rest would take this long from its nodes alone. */
  swarmWorthMs: 4_000,
  /**
   * How long a client tries to reach a seed that is offline: as long as its
   * only node behind a tunnel. A restart takes less.
   */
  swarmSeedPatienceMs: 45_000,
  /**
   * A file fails when nobody has had some of its pieces for this time: by then
   * the relay has named new holders three times.
   */
  swarmNowhereMs: 10_000,
  /** A lingering client stops after this time without a reader. */
  swarmQuietMs: 5_000,
  /**
   * How long a client at a terminal continues to serve what it has saved, while
   * somebody reads: a fleet starts within that.
   */
  swarmLingerMs: 30_000,
};
