/**
 * Every size, count and duration that bounds what a peer can make this program
 * do, with the reason beside the number. Each is enforced somewhere and has a
 * test that hits it. Engines take overrides through their `limits` option.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Units are in the names; the reason stands above each. */
const NUMBERS = {
  // frames
  /** A frame from a peer that has not said hello: a hello is under 1 KiB. */
  frameBeforeHelloBytes: 4 * KIB,
  /** A control frame: the largest is a page of a listing. */
  frameControlBytes: 64 * KIB,
  /** File bytes in one data frame: large enough that headers cost nothing. */
  frameDataBytes: 256 * KIB,
  /** From the header of a control frame to the end of its body. */
  controlBodyMs: 10_000,
  /** Frames of numbers we do not know, skipped on one connection. */
  unknownFrameCount: 64,
  /** JSON nesting: our messages need 3, a hostile one wants thousands. */
  jsonDepth: 16,
  /** Control frames waiting to be written; a peer that reads nothing is cut. */
  sendQueueFrameCount: 64,
  /** Bytes of control frames waiting to be written. */
  sendQueueBytes: 256 * KIB,

  // connections
  /** TCP connect to one address. */
  connectMs: 5_000,
  /** From accept to hello, absolute: trickling bytes does not extend it. */
  handshakeMs: 10_000,
  /** Handshakes under way in the whole process. */
  handshakeCount: 256,
  /** Handshakes under way for one address. */
  handshakesPerAddressCount: 16,
  /** Connections in the whole process, under the usual limit of open files. */
  connectionCount: 20_000,
  /** Connections of one address at the relay: an office behind one NAT. */
  relayConnectionsPerAddressCount: 64,
  /** Connections of one address at a node: a few clients, a few pipes each. */
  nodeConnectionsPerAddressCount: 32,
  /** New connections a second from one address, in the long run. */
  connectRatePerSecond: 10,
  /** New connections of one address at once. */
  connectBurstCount: 40,
  /** No frame for so long closes a control connection. */
  idleMs: 90_000,
  /** No byte accepted for so long on a control leg: the peer does not read. */
  controlWriteStallMs: 10_000,
  /** The same on a leg that carries file bytes. */
  dataWriteStallMs: 30_000,
  /** Control frames a second on one connection, in the long run. */
  controlRatePerSecond: 50,
  /** Control frames of one connection at once. */
  controlBurstCount: 200,
  /**
   * Requests a second that a relay answers one address, whatever the number of
   * its connections; more wait. At 0.1 to 0.4 ms each that is 8 % of a core.
   */
  requestRatePerSecond: 200,
  /** Requests of one address at once: the pages of the largest listing. */
  requestBurstCount: 2_000,
  /**
   * Listing, hashing and looking for names that a node does for one client, in
   * milliseconds of its processor a second: a quarter of a core. More waits.
   */
  clientWorkMsPerSecond: 250,
  /** The same at once: a listing of 160,000 files. */
  clientWorkBurstMs: 1_000,
  /** For all clients of one address together: half of a core. */
  addressWorkMsPerSecond: 500,
  /** The same at once: two clients that list everything. */
  addressWorkBurstMs: 2_000,
  /** After EMFILE or the like, before the next accept is tried. */
  acceptPauseMs: 50,
  /**
   * A request that needs a file waits so long for a file descriptor: less than
   * clients wait for an answer, and more than a handshake that is dropped holds
   * one.
   */
  shortageMs: 12_000,
  /** How often a listener is roused, in case it stopped at EMFILE. */
  acceptCheckMs: 2_000,

  // metrics and health, over HTTP
  /** Connections of whoever watches: one scrapes, another looks. */
  httpConnectionCount: 16,
  /** A request with all its header fields; browsers send 1 KiB. */
  httpHeadBytes: 8 * KIB,
  /** From accept to the end of a request's head; and so long after its answer. */
  httpHeadMs: 1_000,
  /** From accept to the end of the answer, absolute. */
  httpMs: 5_000,

  // registry
  /** Lease of a registration; three renewals may be missed. */
  leaseSeconds: 60,
  /** A relay that was restarted says so this long: a renewal, and half of one. */
  comingBackSeconds: 30,
  /** How often a node renews, in a quiet relay. */
  renewSeconds: 20,
  /** The longest lease a busy relay may dictate, thrice what nodes follow. */
  leaseMaxSeconds: 900,
  /** The shortest renewal interval a node will follow, whoever dictates it. */
  renewMinSeconds: 5,
  /** The longest renewal interval a node will follow, whoever dictates it. */
  renewMaxSeconds: 300,
  /**
   * Renewals a second above which the relay lengthens leases. Each is a
   * connection of its own and takes 1 ms of the main thread: a quarter of it.
   */
  renewalsPerSecond: 250,
  /**
   * Nodes that stay connected between renewals, so that they notice at once when
   * the relay is gone. Each takes 40 KiB there.
   */
  stayingNodeCount: 500,
  /** Those of them at one address, which has other connections to make. */
  stayingNodesPerAddressCount: 16,
  /** Nodes in the registry. */
  nodeCount: 100_000,
  /** Nodes registered from one address. */
  nodesPerAddressCount: 32,
  /** Registrations of one node in {@linkcode reregisterWindowMs}. */
  reregisterCount: 3,
  /** Window for {@linkcode reregisterCount}. */
  reregisterWindowMs: 10_000,
  /** Addresses in one registration. */
  addressCount: 8,
  /**
   * Those of them at other hosts than the node was seen to come from: a home
   * network and a name for it. Whoever lists nodes is sent there by anybody.
   */
  unobservedAddressCount: 2,
  /**
   * Bytes of one node on a page: most have 1 KiB, the longest name with eight
   * addresses 2.1. A page takes 25 of the largest.
   */
  listedEntryBytes: 2_560,
  /** Bytes of one host name or IP literal in a registration. */
  hostBytes: 128,
  /** Code points of a node's display name. */
  displayNameCount: 64,
  /** Nodes in one page of a listing (its bytes are bounded by the frame). */
  listingPageCount: 1_000,
  /**
   * A first page is handed to all who ask within so long, as long as it is true:
   * of a long listing it is where many begin.
   */
  firstPageMs: 100,
  /** Nodes a client takes from one relay, however many pages it sends. */
  listingCount: 1_000_000,
  /** Between two dial-backs to the same node. */
  dialBackPauseMs: 5_000,

  /** Dial-backs under way at once. */
  dialBackCount: 16,
  /**
   * Those of them to one address: a port that says nothing takes its place for
   * seconds, and others must find one.
   */
  dialBacksPerAddressCount: 2,
  /** A node that does not answer in such a time is better off with tunnels. */
  reachMs: 2_000,
  /** Nodes that one command of a client reports dead, in one message. */
  reportCount: 64,
  /** How often ended leases are swept out of memory. */
  sweepMs: 1_000,
  /** Leases swept in one turn, some 10 ms: those of all nodes may end at once. */
  sweepCount: 1_000,
  /** Each refusal, and each stall of accepting, is told at most so often. */
  refusalPauseMs: 10_000,
  /** How often a relay looks at the memory it takes. */
  collectCheckMs: 250,
  /** Having grown by so much it collects: a fifth of what a flood may cost. */
  collectGrowthBytes: 4 * MIB,
  /** A large relay waits until it has grown by so much of what it had. */
  collectGrowthPercent: 5,
  /** So long after the last time, a relay that takes more than once collects. */
  collectIdleMs: 10_000,
  /** Share of the time that may go into collecting, also where it is slow. */
  collectBusyPercent: 5,
  /** A client collects having grown by so much: a tenth of what it may take. */
  collectClientGrowthBytes: 16 * MIB,
  /** What it may spend on that: a list of 100,000 files takes 0.2 s each time. */
  collectClientBusyPercent: 25,

  // tunnels
  /** A tunnel ends unless both sides have come within so long. */
  tunnelJoinMs: 30_000,
  /** A tunnel ends when no byte has moved for so long, in either direction. */
  tunnelIdleMs: 60_000,
  /** Tunnels in the whole relay, those that are waited for included. */
  tunnelCount: 1_000,
  /** Tunnels to one node: no one address, nor three, has it to itself. */
  tunnelsPerNodeCount: 64,
  /** Tunnels of the clients at one address: twice {@linkcode askingCount}. */
  tunnelsPerAddressCount: 16,
  /** Connections of one address where tunnels enter: an office of nodes. */
  tunnelConnectionsPerAddressCount: 512,
  /** Bytes that a tunnel holds in each direction. */
  tunnelBufferBytes: 64 * KIB,
  /** How often an attached node is asked whether it is still there. */
  pingMs: 20_000,
  /** An attached node that hears nothing for so long attaches anew. */
  attachedIdleMs: 65_000,
  /** How often a node asks whether it can be dialled. */
  reachCheckMs: 300_000,
  /** A client asks for a tunnel when dialling has taken so long. */
  tunnelHeadStartMs: 300,
  /** So long the only node, behind a tunnel, may be away: it attaches anew. */
  tunnelPatienceMs: 45_000,
  /** Tunnels may take so long to end when the relay does. */
  tunnelDrainMs: 10_000,

  // registration by a node
  /** First wait after the relay could not be reached; doubles, full jitter. */
  retryFirstMs: 500,
  /** Longest wait between two attempts to reach the relay. */
  retryMaxMs: 30_000,
  /**
   * And so many attempts in the time of a renewal: 5 s apart at a quiet relay,
   * and further apart at one that has so many nodes that it lengthens renewals.
   */
  retriesPerRenewalCount: 4,
  /** Withdrawing at exit may take so long before the node leaves anyway. */
  withdrawMs: 2_000,

  // access
  /** Failed proofs of one address before it is not listened to for a while. */
  proofFailureCount: 5,
  /** In such a time, and for such a time. */
  proofFailureWindowMs: 60_000,
  /** Addresses that have failed and are remembered. */
  proofFailureSourceCount: 4_096,
  /** How long a relay's grants are good for; checked when a client connects. */
  grantSeconds: 3_600,
  /**
   * Clocks of relay and node may differ by so much; and a file written so far in
   * the future, by the client's clock, may still be the newest.
   */
  clockToleranceMs: 300_000,
  /** The longest time a link may be good for. */
  linkSeconds: 30 * 86_400,
  /** The most fetches a link may be good for. */
  linkUsesCount: 1_000,
  /** Fetches by links that a relay, or a node, remembers. */
  linkUseCount: 100_000,
  /** A client asks for new grants when its own are so old. */
  grantRenewMs: 1_800_000,
  /** A node whose token is no longer taken asks again after so long, or so. */
  unauthorizedRetryMs: 120_000,
  /** Characters of a link: it must survive mail, chat and a QR code. */
  linkLength: 512,

  // files
  /** Bytes of a name, sub-folders included, as UTF-8. */
  nameBytes: 1_024,
  /** Bytes of one component of a name. */
  nameComponentBytes: 255,
  /** Components of a name. */
  nameDepthCount: 32,
  /** Files one share may hold. */
  shareFileCount: 1_000_000,
  /** Smallest piece; doubles with the file size. */
  pieceMinBytes: 256 * KIB,
  /** Pieces of one file, which bounds a manifest to 2 MiB of hashes. */
  pieceCount: 65_536,
  /** The largest file: 1 TiB, 65,536 pieces of 16 MiB. */
  fileBytes: 1024 ** 4,
  /** The earliest time that a saved file is given, 1901: ext4 alters earlier ones. */
  fileTimeFirstMs: -(2 ** 31) * 1_000,
  /** The latest, 2223: beyond it are the times that nobody can have meant. */
  fileTimeLastMs: 8e12 - 1,
  /** Pieces on their way from the conns to the disk, in memory. */
  slabBytes: 32 * MIB,
  /** File bytes asked of one connection before they come. */
  windowBytes: 8 * MIB,
  /** Requests on one connection before their answers come. */
  windowRequestCount: 48,
  /** Files that are being received at once. */
  openFileCount: 64,
  /**
   * Files that are received or wait for it, with all that is known of them: 12
   * MiB, and enough that no node waits for its turn.
   */
  plannedFileCount: 4_096,
  /**
   * Files that are there and not hashed by their nodes, of which these are asked
   * before it is their turn: on a line of 50 ms 300 files a second, not 20.
   */
  askedAheadCount: 16,
  /** Times a node may break off before it is out. */
  sourceFailureCount: 3,
  /**
   * Times a piece may fail, over all nodes, before its file is given up. A node
   * that has not failed at it is asked all the same, however many others have.
   */
  pieceFailureCount: 5,
  /** A file that changes while it is fetched is begun anew so often. */
  refetchCount: 3,
  /** A node that needs so much longer for its pieces loses them to an idle one. */
  takeOverMs: 500,
  /** Below this, over 30 s, a node is out while there is another. */
  lowestBytesPerSecond: 4 * KIB,
  /** Nodes that an address is dialled for at which the relay saw none of them. */
  claimedDialCount: 4,
  /** Such addresses of one host that may fail before no other is dialled. */
  claimedFailureCount: 16,
  /** A node's list of files may take so long, whatever its rate. */
  listingMs: 15_000,
  /** After that it must have come at such a rate: 30 files a second. */
  listingBytesPerSecond: 4 * KIB,
  /** A node's list may take so long at any rate: 100,000 files at 1 Mbit/s. */
  listingMostMs: 300_000,
  /** What a client keeps of one node's list: some 200,000 files. */
  listingNodeBytes: 24 * MIB,
  /** What it keeps of all lists, beside some 140 MB that it takes anyway. */
  listingBytes: 40 * MIB,
  /** Pages of a list that have come and are not looked at; then none is read. */
  listingPagesAheadCount: 4,
  /** Nodes asked at once for files, those aside that take their time. */
  askingCount: 8,
  /** Nodes asked at once, slow ones included: a tenth of usual descriptors. */
  askingMostCount: 64,
  /** A node that takes longer is slow: the next is asked beside it. */
  askingPatienceMs: 1_000,
  /** Names asked for together; those found are fetched while others are sought. */
  askingBatchCount: 256,
  /** After the first node that has it, others may take so long to say so too. */
  askingGraceMs: 300,
  /**
   * A client waits so long in all for files to be hashed that decide a vote, and
   * for nodes to answer where a file may be replaced.
   */
  settleMs: 10_000,
  /** Buffers a node sends from, shared by all it sends to. */
  sendBufferBytes: 32 * MIB,
  /** Files up to this size are read at once, without giving way to others. */
  smallFileBytes: 64 * KIB,
  /** Files up to this size are hashed when somebody asks for them. */
  hashOnFindBytes: 16 * MIB,
  /** Piece hashes a node keeps in memory, some 500 GB of files. */
  manifestCacheBytes: 64 * MIB,
  /** A share is looked through again at most so often for a missing name. */
  rescanPauseMs: 2_000,
  /** The same where the system tells what changes, but not on other machines. */
  rescanWatchedMs: 60_000,
  /** Share of the time that may go into looking through a share again. */
  rescanPercent: 5,
  /** How often a node looks whether its folder is at its place: a quick call. */
  shareCheckMs: 2_000,
  /** Entries that are not shared and are kept by name; the others are counted. */
  skippedNameCount: 1_000,
  /** Work of a node that takes longer gives others their turn in between. */
  turnMs: 5,
  /** Without a byte for so long, a client gives a node up. */
  pieceStallMs: 20_000,

  // files that the person names
  /** A configuration file: one line for each option is under 2 KiB. */
  configBytes: 64 * KIB,
  /** A receipt: 500 bytes for each file, 100,000 files and more. */
  receiptBytes: 64 * MIB,

  // doctor
  /** Clocks that differ by more are warned of: people notice minutes. */
  clockSkewMs: 60_000,
  /** Less room on a disk is warned of. */
  spareDiskBytes: 1024 * MIB,
  /** Attached nodes that a tunnel is tried with before it counts as failed. */
  tunnelTrialCount: 3,
};

/**
 * The numbers: {@linkcode LIMITS}, or with some of them replaced.
 *
 * @internal
 */
export type Limits = { readonly [Name in keyof typeof NUMBERS]: number };

/** The defaults. */
export const LIMITS: Limits = Object.freeze(NUMBERS);

/** The defaults with some of them replaced. */
export function limitsWith(overrides: Partial<Limits> = {}): Limits {
  return { ...LIMITS, ...overrides };
}
