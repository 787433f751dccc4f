/**
 * The limits of a gateway: of its connections to browsers and players, of its
 * lists, its links, and what it reads ahead. `limits.ts` holds them together with
 * the others.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The unit is part of each name; the reason stands above the number. */
export const WEB_LIMITS = {
  // web
  /** Connections of browsers, players and download tools to a gateway. */
  webConnectionCount: 64,
  /** A request with all its header fields; browsers send 1 KiB. */
  webHeadBytes: 8 * KIB,
  /** From the first byte of a request to the end of its head. */
  webHeadMs: 5_000,
  /** Between two requests; browsers keep connections for longer. */
  webIdleMs: 60_000,
  /** The body of a request: PROPFIND sends some hundred bytes. */
  webBodyBytes: 64 * KIB,
  /**
   * A client that reads nothing for this time is a player that nobody uses.
   */
  webStallMs: 300_000,
  /** A client that reads nothing for this time is evicted for a new one. */
  webStalledMs: 10_000,
  /**
   * A client that reads nothing for this time is evicted for a new one of the
   * same address. Others read something in that time, except on very slow lines.
   */
  webOwnStalledMs: 250,
  /**
   * A request that has waited this long for a node is evicted for a new one of
   * the same address. A node that answers does so sooner, also through a relay.
   */
  webOwnUnansweredMs: 1_000,

  // gateway
  /** A list of all files is requested again when it is this old. */
  gatewayListFreshMs: 5_000,
  /**
   * When a new list has been asked for this long, requests get what has
   * arrived, and the rest from the list before: a node that stalls delays them
   * once, and not each of them. The next such list is made after twice the
   * time.
   */
  gatewayListPatienceMs: 2_000,
  /**
   * How long programs wait for the first list to be whole: `rclone sync` deletes
   * what is not listed. A node that stalls is given up after this time.
   */
  gatewayWholeListMs: 16_000,
  /**
   * The client of a list reads nothing for this time: shorter than for films,
   * because a list is read by programs, which do not pause.
   */
  gatewayListStallMs: 10_000,
  /**
   * A list that is being read keeps its snapshot, of which there are two at
   * most. A third one is not made before the second is this old, so that a
   * reader over a slow line has time to finish.
   */
  gatewayListKeptMs: 20_000,
  /** Transfers that have ended and are still shown. */
  gatewayEndedTransferCount: 50,
  /** Entries on one page of a folder: below 300 kB if names are short. */
  gatewayPageEntryCount: 1_500,
  /** Wrong tokens of one address in a minute. */
  gatewayLoginFailureCount: 5,
  /**
   * Requests to see a link or to download by it, of one address in a minute.
   */
  gatewayLinkCount: 60,
  /**
   * Links of one address that a private relay has rejected in a minute: enough for
   * a wrong link that is tried twice.
   */
  gatewayLinkRejectedCount: 2,
  /**
   * The same of all addresses. The relay rejects all of an address after five,
   * and the gateway's own token with them.
   */
  gatewayAllLinksRejectedCount: 4,
  /** Downloads by links at once: each has its own connection to the relay. */
  gatewayLinkDownloadCount: 16,
  /** Presses of links' buttons that are remembered: 500 bytes each. */
  gatewayPressCount: 1_000,
  /** A press within this after a whole file is the second of a double click. */
  gatewayPressAgainMs: 2_000,
  /** How long an interrupted download may be repeated for the same use. */
  gatewayPressRetryMs: 600_000,
  /** Connections to one node: players pause, and others share the rest. */
  gatewayNodeConnectionCount: 4,
  /**
   * Connections to all nodes: a process often has 1,024 file descriptors, and a
   * relay may have more nodes.
   */
  gatewayAllNodeConnectionCount: 256,
  /** An unused connection to a node is kept for this time. */
  gatewayNodeIdleMs: 20_000,
  /**
   * A node that sends less than `gatewayStallBytes` in this time is left for
   * another one with the same content. If all do, they are asked again, for twice
   * the time.
   */
  gatewayStallMs: 2_000,
  /** 16 KiB a second: on a slower line, another node is rather quicker. */
  gatewayStallBytes: 32 * KIB,
  /** A node that was left is asked after all others for this time. */
  gatewayStalledMs: 60_000,
  /** The content of a name is asked for again after this. */
  gatewayRememberMs: 2_000,
  /** Hashes of contents that are kept: those of four of the largest files. */
  gatewayManifestBytes: 8 * MIB,
  /** Requested ahead of a reader: enough for a line with a delay of 100 ms. */
  gatewayWindowBytes: 4 * MIB,
  /** The same for all readers together: 64 of them take no more than 8. */
  gatewayReadersBytes: 32 * MIB,
  /**
   * Pieces of files over 32 GiB, which are larger than a small window, of all
   * readers together: each piece is verified as a whole before it is sent, and
   * one of a file of 1 TiB has 16 MiB.
   */
  gatewayLargePiecesBytes: 64 * MIB,
  /** At least two pieces: one is sent while the next comes. */
  gatewaySmallWindowBytes: 512 * KIB,
  /**
   * After a seek this much is still received; if more would come, the gateway
   * closes the connection.
   */
  gatewayDrainBytes: 1 * MIB,
};
