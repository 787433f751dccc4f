/**
 * Every size, count and duration that bounds what a peer can make this program
 * do, with the reason beside the number. Each is enforced, and a test reaches
 * it. Engines take overrides through their `limits` option.
 *
 * @module
 */

import { NETWORK_LIMITS } from "./network_limits.ts";
import { SWARM_LIMITS } from "./swarm_limits.ts";
import { WEB_LIMITS } from "./web_limits.ts";
import { SPENDING_LIMITS } from "./spending_limits.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The unit is part of each name; the reason stands above the number. */
const NUMBERS = {
  ...NETWORK_LIMITS,
  ...SWARM_LIMITS,
  ...WEB_LIMITS,
  ...SPENDING_LIMITS,
  /**
   * Relays side by side: each costs a node its renewals, and a client one more
   * connection.
   */
  relaysCount: 8,
  /**
   * How long to wait for further relays after the first answer: a round trip
   * around the world.
   */
  relayGraceMs: 300,
  /** Nodes that a client keeps for when no relay answers: those of a fleet. */
  knownNodeCount: 1_000,
  /** The file that it keeps them in: about 2 KiB a node, 4 at most. */
  knownNodesBytes: 4 * MIB,
  /** The file is not written again within this time if nothing has changed. */
  knownNodesFreshMs: 60_000,
  /** A node that no relay has listed for a month is elsewhere, or gone. */
  knownNodesMs: 30 * 86_400_000,

  // files
  /** Bytes of a name, sub-folders included, as UTF-8. */
  nameBytes: 1_024,
  /** Bytes of one component of a name. */
  nameComponentBytes: 255,
  /** Components of a name. */
  nameDepthCount: 32,
  /** Files one share may hold. */
  shareFileCount: 1_000_000,
  /**
   * Folders and files that one share may consist of: a node asks for the state of
   * each every `shareCheckMs`, 20 µs for one.
   */
  sharePathCount: 1_000,
  /** A `.p2pignore`: about 2,000 patterns, each of them tried on each name. */
  ignoreFileBytes: 64 * KIB,
  /**
   * Steps that the patterns of a folder, and of those around it, may take for the
   * deepest name, about 10 ms: 2,048 patterns, or one with four `**`.
   */
  ignoreStepCount: 65_536,
  /** Answers that the matcher of patterns keeps, 300 bytes each. */
  ignoreAnswerCount: 4_096,
  /** Smallest piece; doubles with the file size. */
  pieceMinBytes: 256 * KIB,
  /** Pieces of one file, which bounds a manifest to 2 MiB of hashes. */
  pieceCount: 65_536,
  /** The largest file: 1 TiB, 65,536 pieces of 16 MiB. */
  fileBytes: 1024 ** 4,
  /** The last time that a `Date` can express, and, negative, the first. */
  dateLastMs: 8.64e15,
  /** The earliest time set on a saved file, 1901: ext4 changes earlier ones. */
  fileTimeFirstMs: -(2 ** 31) * 1_000,
  /** The latest, 2223: later times are certainly wrong. */
  fileTimeLastMs: 8e12 - 1,
  /** Bytes of pieces in memory, between the conns and the disk. */
  slabBytes: 32 * MIB,
  /**
   * Bytes that a lane may hand to the main thread before it has used them: four
   * of the largest control frames.
   */
  laneUnusedBytes: 256 * KIB,
  /** Bytes of one request of a quick lane: a quarter of the messages of 1 MiB. */
  laneTaskBytes: 4 * MIB,
  /** Longest time of one request of a lane: progress moves in such steps. */
  laneTaskMs: 250,
  /** Lanes of one fetch: with more, the network is the limit. */
  laneCount: 4,
  /** A lane syncs after this many bytes, so little is left to the end. */
  earlySyncBytes: 128 * MIB,
  /** For smaller files, starting a second lane takes longer than it saves. */
  lanesFromBytes: 64 * MIB,
  /** File bytes requested on one connection and not yet received. */
  windowBytes: 8 * MIB,
  /** Requests on one connection that wait for their answers. */
  windowRequestCount: 48,
  /** Small files in one request: a larger one would save nothing more. */
  batchFileCount: 48,
  /** Bytes of the files in one request: what a broken connection loses at most. */
  batchBytes: 1 * MIB,
  /** Files that are requested at once: enough that no node waits for work. */
  requestedFileCount: 384,
  /** Files that are open at once while they are received. */
  openFileCount: 64,
  /** Small files saved on the spot: for fewer a worker is not worth its start. */
  savedHereCount: 128,
  /** Small files in one message to the worker: 32 took a tenth more time. */
  savedTogetherCount: 256,
  /** Present files hashed on the spot, before a worker looks ahead at others. */
  lookedHereCount: 128,
  /** Files that it looks at ahead of their turn: three messages. */
  lookedAheadCount: 384,
  /**
   * Files that are received or wait, with everything known about them: 3 MiB.
   * More than twice `requestedFileCount`, so that no node has to wait for work;
   * with 4,096 the heap grew by 60 MiB more until V8 collected.
   */
  plannedFileCount: 1_024,
  /**
   * Files that their nodes have not hashed and are asked about ahead of their
   * turn: with 50 ms of latency 300 files a second, not 20.
   */
  requestedAheadCount: 16,
  /** Addresses that `sums` asks for the SHA-256 of a large file: 3 must agree. */
  sumAddressCount: 5,
  /**
   * Addresses and files whose fetches `send` counts: each takes a byte a piece, so
   * 16 MiB at most.
   */
  receiverCount: 256,
  /**
   * Fetches that a node reports one by one: each takes a bit for each piece, 8
   * KiB.
   */
  fetchCount: 256,
  /**
   * Fetches of one client that are reported one by one at once; further ones
   * are summed up.
   */
  fetchBurstCount: 4,
  /** After this time one more fetch is reported by itself. */
  fetchRefillMs: 2_000,
  /** The same for all clients of a node together: a screen of lines. */
  fetchNodeBurstCount: 20,
  /** Ten a second can still be read, and stored. */
  fetchNodeRefillMs: 100,
  /** Smaller files are summed up: photos, for example. */
  fetchAloneBytes: 16 * MIB,
  /** A fetch without a byte or a request for this time has ended. */
  fetchQuietMs: 5_000,
  /** How often fetches are looked at and drawn: often enough to look alive. */
  fetchCheckMs: 250,
  /** Addresses that a node counts for its summary: 1 MiB. */
  servedAddressCount: 10_000,
  /**
   * `send` ends this long after its last fetch, even if a client has not closed
   * its connection: the last bytes may still be in flight over a slow line.
   */
  sentLingerMs: 30_000,
  /** A file of sums for `get --sums`: for 100,000 names of 600 bytes. */
  sumsFileBytes: 64 * MIB,
  /**
   * With `--wait`: the first pause before a missing file is requested again.
   */
  waitFirstMs: 1_000,
  /**
   * The longest such pause: each request goes to the relay and all of its
   * nodes.
   */
  waitMostMs: 30_000,
  /**
   * Reading whole lists while waiting: a pause is this many times as long as
   * the last reading took, so that waiting costs nodes a twentieth of a fetch.
   */
  waitListsRatio: 20,
  /** The longest of these pauses: a new file may be found this late. */
  waitListsMostMs: 300_000,
  /**
   * Runs of new pieces in one message of a holder: a kilobyte of JSON. Further
   * runs follow in the next message.
   */
  gainedRunCount: 64,
  /** A holder reports new pieces of this time together. */
  gainedPauseMs: 100,
  /**
   * A holder without new pieces reports at this interval that it is alive: well
   * within `pieceStallMs`.
   */
  gainedQuietMs: 8_000,
  /** Failures of connections to a node before the node is excluded. */
  sourceFailureCount: 3,
  /**
   * How often a piece may fail, over all nodes, before its file is given up. A
   * node that has not failed is still asked, however many others have.
   */
  pieceFailureCount: 5,
  /** How often a file that changes during the fetch is started again. */
  refetchCount: 3,
  /** If a node would need this much longer, an idle one takes its pieces. */
  takeOverMs: 500,
  /**
   * If a connection delivers nothing for this time, another one of the same
   * node takes over its pieces. While it delivers, the other one would only
   * take bandwidth from it. A node whose rate 64 connections share serves each
   * of them every 8 s.
   */
  connectionQuietMs: 10_000,
  /** A node slower than this over `slowMs` is excluded if there is another. */
  lowestBytesPerSecond: 4 * KIB,
  /** Nodes dialled at one address where the relay saw none of them. */
  claimedDialCount: 4,
  /** Such addresses of one host that may fail before it is avoided. */
  claimedFailureCount: 16,
  /**
   * The same if the relay saw nodes there: a relay lists up to 32, of 8
   * addresses each.
   */
  observedFailureCount: 256,
  /** How long a list of files or nodes may take, at any rate. */
  listingMs: 15_000,
  /** The rate that a list must keep up after that: 30 files a second. */
  listingBytesPerSecond: 4 * KIB,
  /** How long a node's list may take at most: 100,000 files at 1 Mbit/s. */
  listingMostMs: 300_000,
  /** Bytes of one relay's list of nodes: 100,000 of 1 KiB, the most it has. */
  relayListingBytes: 100 * MIB,
  /** How long such a list may take at most: that is 1 Mbit/s. */
  relayListingMostMs: 900_000,
  /** Times that a node may say, every 5 s, that it still scans its share. */
  listingWorkingCount: 24,
  /** Bytes that a client keeps of one node's list: about 200,000 files. */
  listingNodeBytes: 24 * MIB,
  /** Bytes of all lists. A client uses about 140 MB in addition. */
  listingBytes: 40 * MIB,
  /** Bytes of the folders of `ls --tree`: of 100,000, as deep as they may be. */
  treeBytes: 48 * MIB,
  /** Folders of one `get`: about 100 MB, and more than one node lists files. */
  savedFolderCount: 300_000,
  /** Unread pages of a list before the client stops receiving. */
  listingPagesAheadCount: 4,
  /** Nodes asked for files at once, not counting slow ones. */
  queriedNodeCount: 8,
  /** Nodes asked at once, slow ones included: a tenth of all descriptors. */
  queriedNodeMostCount: 64,
  /** A node that takes longer is slow: then the next one is asked too. */
  queryPatienceMs: 1_000,
  /** Names asked for together; while they are fetched, the next are asked. */
  queryBatchCount: 256,
  /**
   * After the first node with the file, the time that others get to offer it
   * too.
   */
  queryGraceMs: 300,
  /**
   * How long a client waits in all for files to be hashed that decide a vote,
   * and for nodes to answer before a file is replaced.
   */
  settleMs: 10_000,
  /** Buffers that a node sends from, shared by all of its clients. */
  sendBufferBytes: 32 * MIB,
  /**
   * Most bytes of pieces that a node confirms together, after it checked that
   * the file is unchanged: what a broken connection loses at most.
   */
  runBytes: 4 * MIB,
  /** Files up to this size are read in one go, without giving others a turn. */
  smallFileBytes: 64 * KIB,
  /** Share of the time for which reads of a slow disk may block a node. */
  slowReadPercent: 5,
  /** Files up to this size are hashed when a client asks for them. */
  hashOnFindBytes: 16 * MIB,
  /** Manifests a node keeps in memory: of 500 GB, or of 80,000 small files. */
  manifestCacheBytes: 64 * MIB,
  /**
   * Recently written files that a node hashes once more, to keep their digests.
   * Digests of further files are computed again at the next start. This takes 1
   * MiB.
   */
  settlingCount: 4_096,
  /**
   * How long a node waits for the first scan of its share before it registers: a
   * million files take a minute. It then finds files by name, and listings wait.
   */
  firstScanMs: 1_000,
  /** The shortest time between two scans of a share for a missing name. */
  rescanPauseMs: 2_000,
  /**
   * The same if the system reports changes: it misses those made on other
   * machines.
   */
  rescanWatchedMs: 60_000,
  /** Share of the time that may go into scanning a share again. */
  rescanPercent: 5,
  /**
   * A folder with more entries is watched in a worker: for this many, starting
   * to watch takes 0.2 s, during which a node does nothing else.
   */
  watchedHereCount: 20_000,
  /**
   * Changes at once beyond which the system has probably dropped some: the whole
   * folder is scanned.
   */
  reportedChangeCount: 10_000,
  /**
   * How long opening a file may take: a pipe that took its place never opens, and
   * a disk that wakes up takes 10 s.
   */
  regularOpenMs: 10_000,
  /** How often a node checks that its folder is still there: a quick call. */
  shareCheckMs: 2_000,
  /** Unshared entries whose names are kept; the others are only counted. */
  skippedNameCount: 1_000,
  /** A node's work that takes longer gives others a turn in between. */
  turnMs: 5,
  /** A client gives a node up after this time without a byte. */
  pieceStallMs: 20_000,

  // the index of names
  /**
   * Nodes that an index named wrongly, as one command of a client reports them,
   * in one message: enough to notice that the index is wrong.
   */
  wrongHitCount: 16,

  // finding relays on the local network
  /** A query, and the longest answer: what a relay says fits five times. */
  announceBytes: 512,
  /** Answers a second to one address: three queries, and a person who repeats. */
  announceAnswersPerAddressPerSecond: 6,
  /**
   * Counters of answers, in each of 4 rows of bytes. Other addresses miss
   * answers only at millions of forged queries a second, more than a gigabit
   * line carries.
   */
  announceCellCount: 65_536,
  /** How long to wait for answers: they arrive within milliseconds. */
  announceWaitMs: 1_000,
  /** Relays that are listed: a person chooses among them. */
  announceListCount: 64,

  // several instances of one relay
  /**
   * How long to wait for an answer of another relay with the same identity,
   * which may be busy. A start waits this long only if nothing answers and
   * nothing refuses the connection.
   */
  duplicateAnswerMs: 5_000,
  /**
   * How long the store may take to answer. No request waits for it; after this
   * time it counts as down, and everything is written and read again. Half a
   * second is too short: on a busy machine that happened again and again.
   */
  clusterCommandMs: 2_000,
  /** How long connecting to the store may take, with its greeting. */
  clusterConnectMs: 2_000,
  /**
   * The longest pause between two attempts to reach the store: after its return
   * it is used again soon.
   */
  clusterRetryMs: 1_000,
  /** Pause between two attempts to write to a store that refuses writes. */
  clusterWriteRetryMs: 2_000,
  /** How long one read of the stream waits. */
  clusterFollowMs: 2_000,
  /** Pause between two checks of the store's state. */
  clusterBeatMs: 2_000,
  /** Without a report for this time, an instance has stopped: seven checks. */
  clusterInstanceMs: 15_000,
  /** The most instances of one relay: more would not help. */
  clusterInstanceCount: 64,
  /**
   * Servers of a Redis Cluster that are asked in turn when the one with the
   * keys fails: more than most clusters have.
   */
  clusterServerCount: 16,
  /** How long changes are collected: a tenth of what a person notices. */
  clusterBatchMs: 50,
  /** Items written at once: 0.2 MB, and 2 ms of the store. */
  clusterBatchCount: 200,
  /** Items in one page when all items are read. */
  clusterPageCount: 500,
  /** All pages that a store may have: five times the nodes, each twice. */
  clusterAllPageCount: 2_000,
  /** Batches in the stream: 10 minutes and more, at 32 KB each. */
  clusterStreamCount: 20_000,
  /** The largest item: a node's entry as it is listed, with room to spare. */
  clusterItemBytes: 8 * KIB,
  /** The largest reply of the store: two pages of the largest items. */
  clusterReplyBytes: 8 * MIB,
  /**
   * How much longer all leases last while an instance cannot learn of renewals
   * elsewhere: a server is back within an hour, and clients report dead nodes.
   */
  clusterHoldMs: 3_600_000,
  /** This long after everything was read again, leases end as usual. */
  clusterHealMs: 15_000,
  /** Ends passed on to one other instance; it takes 128 of one address. */
  clusterPassCount: 96,
  /** Tunnels that an instance asks others for at once: each takes milliseconds. */
  clusterCallCount: 16,
  /** Requests that such a call counts as: ten a second, as for connections. */
  clusterCallRequestCount: 20,
  /** After this time without a connection, a client asks its own instance. */
  instanceConnectMs: 2_000,
  /** Pause between two equal lines about the store. */
  clusterNoteMs: 60_000,

  // files that the user names
  /** A configuration file: one line for each option is under 2 KiB. */
  configBytes: 64 * KIB,
  /** A receipt: 500 bytes for each file, 100,000 files and more. */
  receiptBytes: 64 * MIB,

  // clocks
  /** How often a process compares its clocks: this costs almost nothing. */
  clockCheckMs: 1_000,
  /**
   * How far the clocks may drift apart in {@linkcode clockCheckMs}: a time server
   * corrects by less, and a shorter sleep breaks no connection.
   */
  clockGapMs: 5_000,

  // doctor
  /**
   * A larger difference between two clocks causes a warning: people notice
   * minutes.
   */
  clockSkewMs: 60_000,
  /** Less free space on a disk causes a warning. */
  spareDiskBytes: 1024 * MIB,
  /** Attached nodes that a tunnel is tried with before the check fails. */
  tunnelTrialCount: 3,
};

/**
 * The type of {@linkcode LIMITS}.
 *
 * @internal
 */
export type Limits = { readonly [Name in keyof typeof NUMBERS]: number };

/** The default limits. */
export const LIMITS: Limits = Object.freeze(NUMBERS);

/** The default limits with some of them replaced. */
export function limitsWith(overrides: Partial<Limits> = {}): Limits {
  return { ...LIMITS, ...overrides };
}
