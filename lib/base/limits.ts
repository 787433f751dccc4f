/**
 * Every size, count and duration that bounds what a peer can make this program
 * do, with the reason beside the number. Each is enforced somewhere and has a
 * test that hits it. Engines take overrides through their `limits` option.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The numbers. Units are in the names, the reason stands above each. */
export interface Limits {
  // frames
  /** A frame from a peer that has not said hello: a hello is under 1 KiB. */
  readonly frameBeforeHelloBytes: number;
  /** A control frame: the largest is a page of a listing. */
  readonly frameControlBytes: number;
  /** File bytes in one data frame: large enough that headers cost nothing. */
  readonly frameDataBytes: number;
  /** From the header of a control frame to the end of its body. */
  readonly controlBodyMs: number;
  /** Frames of numbers we do not know, skipped on one connection. */
  readonly unknownFrameCount: number;
  /** JSON nesting: our messages need 3, a hostile one wants thousands. */
  readonly jsonDepth: number;
  /** Control frames waiting to be written; a peer that reads nothing is cut. */
  readonly sendQueueFrameCount: number;
  /** Bytes of control frames waiting to be written. */
  readonly sendQueueBytes: number;

  // connections
  /** TCP connect to one address. */
  readonly connectMs: number;
  /** From accept to hello, absolute: trickling bytes does not extend it. */
  readonly handshakeMs: number;
  /** Handshakes under way in the whole process. */
  readonly handshakeCount: number;
  /** Handshakes under way for one address. */
  readonly handshakesPerAddressCount: number;
  /** Connections in the whole process, under the usual limit of open files. */
  readonly connectionCount: number;
  /** Connections of one address at the relay: an office behind one NAT. */
  readonly relayConnectionsPerAddressCount: number;
  /** Connections of one address at a node: a few clients, a few pipes each. */
  readonly nodeConnectionsPerAddressCount: number;
  /** New connections a second from one address, in the long run. */
  readonly connectRatePerSecond: number;
  /** New connections of one address at once. */
  readonly connectBurstCount: number;
  /** No frame for so long closes a control connection. */
  readonly idleMs: number;
  /** No byte accepted for so long on a control leg: the peer does not read. */
  readonly controlWriteStallMs: number;
  /** The same on a leg that carries file bytes. */
  readonly dataWriteStallMs: number;
  /** Control frames a second on one connection, in the long run. */
  readonly controlRatePerSecond: number;
  /** Control frames of one connection at once. */
  readonly controlBurstCount: number;
  /**
   * Requests a second that a relay answers one address, whatever the number of
   * its connections; more wait. At 0.1 to 0.4 ms each that is 8 % of a core.
   */
  readonly requestRatePerSecond: number;
  /** Requests of one address at once: the pages of the largest listing. */
  readonly requestBurstCount: number;
  /**
   * Listing, hashing and looking for names that a node does for one client, in
   * milliseconds of its processor a second: a quarter of a core. More waits.
   */
  readonly clientWorkMsPerSecond: number;
  /** The same at once: a listing of 160,000 files. */
  readonly clientWorkBurstMs: number;
  /** For all clients of one address together: half of a core. */
  readonly addressWorkMsPerSecond: number;
  /** The same at once: two clients that list everything. */
  readonly addressWorkBurstMs: number;
  /** After EMFILE or the like, before the next accept is tried. */
  readonly acceptPauseMs: number;
  /**
   * A request that needs a file waits so long for a file descriptor: less than
   * clients wait for an answer, and more than a handshake that is dropped holds
   * one.
   */
  readonly shortageMs: number;
  /** How often a listener is roused, in case it stopped at EMFILE. */
  readonly acceptCheckMs: number;

  // metrics and health, over HTTP
  /** Connections of whoever watches: one scrapes, another looks. */
  readonly httpConnectionCount: number;
  /** A request with all its header fields; browsers send 1 KiB. */
  readonly httpHeadBytes: number;
  /** From accept to the end of a request's head; and so long after its answer. */
  readonly httpHeadMs: number;
  /** From accept to the end of the answer, absolute. */
  readonly httpMs: number;

  // registry
  /** Lease of a registration; three renewals may be missed. */
  readonly leaseSeconds: number;
  /** A relay that was restarted says so this long: a renewal, and half of one. */
  readonly comingBackSeconds: number;
  /** How often a node renews, in a quiet relay. */
  readonly renewSeconds: number;
  /** The longest lease a busy relay may dictate, thrice what nodes follow. */
  readonly leaseMaxSeconds: number;
  /** The shortest renewal interval a node will follow, whoever dictates it. */
  readonly renewMinSeconds: number;
  /** The longest renewal interval a node will follow, whoever dictates it. */
  readonly renewMaxSeconds: number;
  /**
   * Renewals a second above which the relay lengthens leases. Each is a
   * connection of its own and takes 1 ms of the main thread: a quarter of it.
   */
  readonly renewalsPerSecond: number;
  /**
   * Nodes that stay connected between renewals, so that they notice at once when
   * the relay is gone. Each takes 40 KiB there.
   */
  readonly stayingNodeCount: number;
  /** Those of them at one address, which has other connections to make. */
  readonly stayingNodesPerAddressCount: number;
  /** Nodes in the registry. */
  readonly nodeCount: number;
  /** Nodes registered from one address. */
  readonly nodesPerAddressCount: number;
  /** Registrations of one node in {@linkcode reregisterWindowMs}. */
  readonly reregisterCount: number;
  /** Window for {@linkcode reregisterCount}. */
  readonly reregisterWindowMs: number;
  /** Addresses in one registration. */
  readonly addressCount: number;
  /**
   * Those of them at other hosts than the node was seen to come from: a home
   * network and a name for it. Whoever lists nodes is sent there by anybody.
   */
  readonly unobservedAddressCount: number;
  /**
   * Bytes of one node on a page: most have 1 KiB, the longest name with eight
   * addresses 2.1. A page takes 25 of the largest.
   */
  readonly listedEntryBytes: number;
  /** Bytes of one host name or IP literal in a registration. */
  readonly hostBytes: number;
  /** Code points of a node's display name. */
  readonly displayNameCount: number;
  /** Nodes in one page of a listing (its bytes are bounded by the frame). */
  readonly listingPageCount: number;
  /**
   * A first page is handed to all who ask within so long, as long as it is true:
   * of a long listing it is where many begin.
   */
  readonly firstPageMs: number;
  /** Nodes a client takes from one relay, however many pages it sends. */
  readonly listingCount: number;
  /** Between two dial-backs to the same node. */
  readonly dialBackPauseMs: number;

  /** Dial-backs under way at once. */
  readonly dialBackCount: number;
  /**
   * Those of them to one address: a port that says nothing takes its place for
   * seconds, and others must find one.
   */
  readonly dialBacksPerAddressCount: number;
  /** A node that does not answer in such a time is better off with tunnels. */
  readonly reachMs: number;
  /** Nodes that one command of a client reports dead, in one message. */
  readonly reportCount: number;
  /** How often ended leases are swept out of memory. */
  readonly sweepMs: number;
  /** Leases swept in one turn, some 10 ms: those of all nodes may end at once. */
  readonly sweepCount: number;
  /** Each refusal, and each stall of accepting, is told at most so often. */
  readonly refusalPauseMs: number;
  /** How often a relay looks at the memory it takes. */
  readonly collectCheckMs: number;
  /** Having grown by so much it collects: a fifth of what a flood may cost. */
  readonly collectGrowthBytes: number;
  /** A large relay waits until it has grown by so much of what it had. */
  readonly collectGrowthPercent: number;
  /** So long after the last time, a relay that takes more than once collects. */
  readonly collectIdleMs: number;
  /** Share of the time that may go into collecting, also where it is slow. */
  readonly collectBusyPercent: number;
  /** A client collects having grown by so much: a tenth of what it may take. */
  readonly collectClientGrowthBytes: number;
  /** What it may spend on that: a list of 100,000 files takes 0.2 s each time. */
  readonly collectClientBusyPercent: number;

  // tunnels
  /** A tunnel ends unless both sides have come within so long. */
  readonly tunnelJoinMs: number;
  /** A tunnel ends when no byte has moved for so long, in either direction. */
  readonly tunnelIdleMs: number;
  /** Tunnels in the whole relay, those that are waited for included. */
  readonly tunnelCount: number;
  /** Tunnels to one node: no one address, nor three, has it to itself. */
  readonly tunnelsPerNodeCount: number;
  /** Tunnels of the clients at one address: twice {@linkcode askingCount}. */
  readonly tunnelsPerAddressCount: number;
  /** Connections of one address where tunnels enter: an office of nodes. */
  readonly tunnelConnectionsPerAddressCount: number;
  /** Bytes that a tunnel holds in each direction. */
  readonly tunnelBufferBytes: number;
  /** How often an attached node is asked whether it is still there. */
  readonly pingMs: number;
  /** An attached node that hears nothing for so long attaches anew. */
  readonly attachedIdleMs: number;
  /** How often a node asks whether it can be dialled. */
  readonly reachCheckMs: number;
  /** A client asks for a tunnel when dialling has taken so long. */
  readonly tunnelHeadStartMs: number;
  /** So long the only node, behind a tunnel, may be away: it attaches anew. */
  readonly tunnelPatienceMs: number;
  /** Tunnels may take so long to end when the relay does. */
  readonly tunnelDrainMs: number;

  // registration by a node
  /** First wait after the relay could not be reached; doubles, full jitter. */
  readonly retryFirstMs: number;
  /** Longest wait between two attempts to reach the relay. */
  readonly retryMaxMs: number;
  /**
   * And so many attempts in the time of a renewal: 5 s apart at a quiet relay,
   * and further apart at one that has so many nodes that it lengthens renewals.
   */
  readonly retriesPerRenewalCount: number;
  /** Withdrawing at exit may take so long before the node leaves anyway. */
  readonly withdrawMs: number;

  // access
  /** Failed proofs of one address before it is not listened to for a while. */
  readonly proofFailureCount: number;
  /** In such a time, and for such a time. */
  readonly proofFailureWindowMs: number;
  /** Addresses that have failed and are remembered. */
  readonly proofFailureSourceCount: number;
  /** How long a relay's grants are good for; checked when a client connects. */
  readonly grantSeconds: number;
  /** Clocks of relay and node may differ by so much. */
  readonly clockToleranceMs: number;
  /** The longest time a link may be good for. */
  readonly linkSeconds: number;
  /** The most fetches a link may be good for. */
  readonly linkUsesCount: number;
  /** Fetches by links that a relay, or a node, remembers. */
  readonly linkUseCount: number;
  /** A client asks for new grants when its own are so old. */
  readonly grantRenewMs: number;
  /** A node whose token is no longer taken asks again after so long, or so. */
  readonly unauthorizedRetryMs: number;
  /** Characters of a link: it must survive mail, chat and a QR code. */
  readonly linkLength: number;

  // files
  /** Bytes of a name, sub-folders included, as UTF-8. */
  readonly nameBytes: number;
  /** Bytes of one component of a name. */
  readonly nameComponentBytes: number;
  /** Components of a name. */
  readonly nameDepthCount: number;
  /** Files one share may hold. */
  readonly shareFileCount: number;
  /** Smallest piece; doubles with the file size. */
  readonly pieceMinBytes: number;
  /** Pieces of one file, which bounds a manifest to 2 MiB of hashes. */
  readonly pieceCount: number;
  /** The largest file: 1 TiB, 65,536 pieces of 16 MiB. */
  readonly fileBytes: number;
  /** The earliest time that a saved file is given, 1901: ext4 alters earlier ones. */
  readonly fileTimeFirstMs: number;
  /** The latest, 2223: beyond it are the times that nobody can have meant. */
  readonly fileTimeLastMs: number;
  /** Pieces on their way from the conns to the disk, in memory. */
  readonly slabBytes: number;
  /** File bytes asked of one connection before they come. */
  readonly windowBytes: number;
  /** Requests on one connection before their answers come. */
  readonly windowRequestCount: number;
  /** Files that are being received at once. */
  readonly openFileCount: number;
  /**
   * Files that are received or wait for it, with all that is known of them: 12
   * MiB, and enough that no node waits for its turn.
   */
  readonly plannedFileCount: number;
  /**
   * Files that are there and not hashed by their nodes, of which these are asked
   * before it is their turn: on a line of 50 ms 300 files a second, not 20.
   */
  readonly askedAheadCount: number;
  /** Times a node may break off before it is out. */
  readonly sourceFailureCount: number;
  /**
   * Times a piece may fail, over all nodes, before its file is given up. A node
   * that has not failed at it is asked all the same, however many others have.
   */
  readonly pieceFailureCount: number;
  /** A file that changes while it is fetched is begun anew so often. */
  readonly refetchCount: number;
  /** A node that needs so much longer for its pieces loses them to an idle one. */
  readonly takeOverMs: number;
  /** Below this, over 30 s, a node is out while there is another. */
  readonly lowestBytesPerSecond: number;
  /** Nodes that an address is dialled for at which the relay saw none of them. */
  readonly claimedDialCount: number;
  /** Such addresses of one host that may fail before no other is dialled. */
  readonly claimedFailureCount: number;
  /** A node's list of files may take so long, whatever its rate. */
  readonly listingMs: number;
  /** After that it must have come at such a rate: 30 files a second. */
  readonly listingBytesPerSecond: number;
  /** A node's list may take so long at any rate: 100,000 files at 1 Mbit/s. */
  readonly listingMostMs: number;
  /** What a client keeps of one node's list: some 200,000 files. */
  readonly listingNodeBytes: number;
  /** What it keeps of all lists, beside some 140 MB that it takes anyway. */
  readonly listingBytes: number;
  /** Pages of a list that have come and are not looked at; then none is read. */
  readonly listingPagesAheadCount: number;
  /** Nodes asked at once for files, those aside that take their time. */
  readonly askingCount: number;
  /** Nodes asked at once, slow ones included: a tenth of usual descriptors. */
  readonly askingMostCount: number;
  /** A node that takes longer is slow: the next is asked beside it. */
  readonly askingPatienceMs: number;
  /** Names asked for together; those found are fetched while others are sought. */
  readonly askingBatchCount: number;
  /** After the first node that has it, others may take so long to say so too. */
  readonly askingGraceMs: number;
  /**
   * A client waits so long in all for files to be hashed that decide a vote, and
   * for nodes to answer where a file may be replaced.
   */
  readonly settleMs: number;
  /** Buffers a node sends from, shared by all it sends to. */
  readonly sendBufferBytes: number;
  /** Files up to this size are read at once, without giving way to others. */
  readonly smallFileBytes: number;
  /** Files up to this size are hashed when somebody asks for them. */
  readonly hashOnFindBytes: number;
  /** Piece hashes a node keeps in memory, some 500 GB of files. */
  readonly manifestCacheBytes: number;
  /** A share is looked through again at most so often for a missing name. */
  readonly rescanPauseMs: number;
  /** The same where the system tells what changes, but not on other machines. */
  readonly rescanWatchedMs: number;
  /** Share of the time that may go into looking through a share again. */
  readonly rescanPercent: number;
  /** How often a node looks whether its folder is at its place: a quick call. */
  readonly shareCheckMs: number;
  /** Entries that are not shared and are kept by name; the others are counted. */
  readonly skippedNameCount: number;
  /** Work of a node that takes longer gives others their turn in between. */
  readonly turnMs: number;
  /** Without a byte for so long, a client gives a node up. */
  readonly pieceStallMs: number;

  // files that the person names
  /** A configuration file: one line for each option is under 2 KiB. */
  readonly configBytes: number;
  /** A receipt: 500 bytes for each file, 100,000 files and more. */
  readonly receiptBytes: number;

  // doctor
  /** Clocks that differ by more are warned of: people notice minutes. */
  readonly clockSkewMs: number;
  /** Less room on a disk is warned of. */
  readonly spareDiskBytes: number;
  /** Attached nodes that a tunnel is tried with before it counts as failed. */
  readonly tunnelTrialCount: number;
}

/** The defaults. */
export const LIMITS: Limits = Object.freeze({
  // frames
  frameBeforeHelloBytes: 4 * KIB,
  frameControlBytes: 64 * KIB,
  frameDataBytes: 256 * KIB,
  controlBodyMs: 10_000,
  unknownFrameCount: 64,
  jsonDepth: 16,
  sendQueueFrameCount: 64,
  sendQueueBytes: 256 * KIB,

  // connections
  connectMs: 5_000,
  handshakeMs: 10_000,
  handshakeCount: 256,
  handshakesPerAddressCount: 16,
  connectionCount: 20_000,
  relayConnectionsPerAddressCount: 64,
  nodeConnectionsPerAddressCount: 32,
  connectRatePerSecond: 10,
  connectBurstCount: 40,
  idleMs: 90_000,
  controlWriteStallMs: 10_000,
  dataWriteStallMs: 30_000,
  controlRatePerSecond: 50,
  controlBurstCount: 200,
  requestRatePerSecond: 200,
  requestBurstCount: 2_000,
  clientWorkMsPerSecond: 250,
  clientWorkBurstMs: 1_000,
  addressWorkMsPerSecond: 500,
  addressWorkBurstMs: 2_000,
  acceptPauseMs: 50,
  acceptCheckMs: 2_000,
  shortageMs: 12_000,

  // metrics and health, over HTTP
  httpConnectionCount: 16,
  httpHeadBytes: 8 * KIB,
  httpHeadMs: 1_000,
  httpMs: 5_000,

  // registry
  leaseSeconds: 60,
  comingBackSeconds: 30,
  renewSeconds: 20,
  leaseMaxSeconds: 900,
  renewMinSeconds: 5,
  renewMaxSeconds: 300,
  renewalsPerSecond: 250,
  stayingNodeCount: 500,
  stayingNodesPerAddressCount: 16,
  nodeCount: 100_000,
  nodesPerAddressCount: 32,
  reregisterCount: 3,
  reregisterWindowMs: 10_000,
  addressCount: 8,
  unobservedAddressCount: 2,
  listedEntryBytes: 2_560,
  hostBytes: 128,
  displayNameCount: 64,
  listingPageCount: 1_000,
  firstPageMs: 100,
  listingCount: 1_000_000,
  dialBackPauseMs: 5_000,
  dialBackCount: 16,
  dialBacksPerAddressCount: 2,
  reachMs: 2_000,
  reportCount: 64,
  sweepMs: 1_000,
  sweepCount: 1_000,
  refusalPauseMs: 10_000,
  collectCheckMs: 250,
  collectGrowthBytes: 4 * MIB,
  collectGrowthPercent: 5,
  collectIdleMs: 10_000,
  collectBusyPercent: 5,
  collectClientGrowthBytes: 16 * MIB,
  collectClientBusyPercent: 25,

  // tunnels
  tunnelJoinMs: 30_000,
  tunnelIdleMs: 60_000,
  tunnelCount: 1_000,
  tunnelsPerNodeCount: 64,
  tunnelsPerAddressCount: 16,
  tunnelConnectionsPerAddressCount: 512,
  tunnelBufferBytes: 64 * KIB,
  pingMs: 20_000,
  attachedIdleMs: 65_000,
  reachCheckMs: 300_000,
  tunnelHeadStartMs: 300,
  tunnelPatienceMs: 45_000,
  tunnelDrainMs: 10_000,

  // registration by a node
  retryFirstMs: 500,
  retryMaxMs: 30_000,
  retriesPerRenewalCount: 4,
  withdrawMs: 2_000,

  // access
  proofFailureCount: 5,
  proofFailureWindowMs: 60_000,
  proofFailureSourceCount: 4_096,
  grantSeconds: 3_600,
  clockToleranceMs: 300_000,
  linkSeconds: 30 * 86_400,
  linkUsesCount: 1_000,
  linkUseCount: 100_000,
  grantRenewMs: 1_800_000,
  unauthorizedRetryMs: 120_000,
  linkLength: 512,

  // files
  nameBytes: 1_024,
  nameComponentBytes: 255,
  nameDepthCount: 32,
  shareFileCount: 1_000_000,
  pieceMinBytes: 256 * KIB,
  pieceCount: 65_536,
  fileBytes: 1024 ** 4,
  fileTimeFirstMs: -(2 ** 31) * 1_000,
  fileTimeLastMs: 8e12 - 1,
  slabBytes: 32 * MIB,
  windowBytes: 8 * MIB,
  windowRequestCount: 48,
  openFileCount: 64,
  plannedFileCount: 4_096,
  askedAheadCount: 16,
  sourceFailureCount: 3,
  pieceFailureCount: 5,
  refetchCount: 3,
  takeOverMs: 500,
  lowestBytesPerSecond: 4 * KIB,
  claimedDialCount: 4,
  claimedFailureCount: 16,
  listingMs: 15_000,
  listingBytesPerSecond: 4 * KIB,
  listingMostMs: 300_000,
  listingNodeBytes: 24 * MIB,
  listingBytes: 40 * MIB,
  listingPagesAheadCount: 4,
  askingCount: 8,
  askingMostCount: 64,
  askingPatienceMs: 1_000,
  askingBatchCount: 256,
  askingGraceMs: 300,
  settleMs: 10_000,
  sendBufferBytes: 32 * MIB,
  smallFileBytes: 64 * KIB,
  hashOnFindBytes: 16 * MIB,
  manifestCacheBytes: 64 * MIB,
  rescanPauseMs: 2_000,
  rescanWatchedMs: 60_000,
  rescanPercent: 5,
  shareCheckMs: 2_000,
  skippedNameCount: 1_000,
  turnMs: 5,
  pieceStallMs: 20_000,

  // files that the person names
  configBytes: 64 * KIB,
  receiptBytes: 64 * MIB,

  // doctor
  clockSkewMs: 60_000,
  spareDiskBytes: 1024 * MIB,
  tunnelTrialCount: 3,
});

/** The defaults with some of them replaced. */
export function limitsWith(overrides: Partial<Limits> = {}): Limits {
  return { ...LIMITS, ...overrides };
}
