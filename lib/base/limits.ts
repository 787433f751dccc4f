/**
 * Every size, count and duration that bounds what a peer can make this program
 * do, with the reason beside the number. Each is enforced, and a test reaches
 * it. Engines take overrides through their `limits` option.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The unit is part of each name; the reason stands above the number. */
const NUMBERS = {
  // frames
  /** A frame from a peer that has not said hello: a hello is under 1 KiB. */
  frameBeforeHelloBytes: 4 * KIB,
  /** A control frame: the largest is a page of a listing. */
  frameControlBytes: 64 * KIB,
  /** File bytes in one data frame: large enough that headers cost nothing. */
  frameDataBytes: 1 * MIB,
  /** From the header of a control frame to the end of its body. */
  controlBodyMs: 10_000,
  /** Frames of unknown types that are skipped on one connection. */
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
  /** Bytes from a peer before our answer: a whole TLS record. */
  clientHelloBytes: 16 * KIB + 5,
  /** Addresses whose handshakes are remembered: 100 bytes each. */
  handshakeGroupCount: 4_096,
  /** When a failed handshake counts half: a flood goes on, others do not. */
  handshakeHalfLifeMs: 10_000,
  /** Connections in the whole process, under the usual limit of open files. */
  connectionCount: 20_000,
  /** Connections of one address at the relay: an office behind one NAT. */
  relayConnectionsPerAddressCount: 64,
  /** Connections of one address at a node: some clients, up to five each. */
  nodeConnectionsPerAddressCount: 64,
  /** New connections a second from one address, on average. */
  connectRatePerSecond: 10,
  /** New connections of one address at once. */
  connectBurstCount: 40,
  /** A control connection without a frame for this time is closed. */
  idleMs: 90_000,
  /** The same without a byte accepted: its peer does not read. */
  controlWriteStallMs: 10_000,
  /** The same for a connection that carries file bytes. */
  dataWriteStallMs: 30_000,
  /** Control frames a second on one connection, on average. */
  controlRatePerSecond: 50,
  /** Control frames of one connection at once. */
  controlBurstCount: 200,
  /**
   * Requests a second that a relay answers for one address, over all of its
   * connections; more of them wait. At 0.1 to 0.4 ms each this is 8 % of a
   * core.
   */
  requestRatePerSecond: 200,
  /** Requests of one address at once: the pages of the largest listing. */
  requestBurstCount: 2_000,
  /**
   * Work that a node does for one client (listing, hashing, looking for names),
   * in milliseconds of processor time a second: a quarter of a core. More
   * waits.
   */
  clientWorkMsPerSecond: 250,
  /** The same at once: a listing of 160,000 files. */
  clientWorkBurstMs: 1_000,
  /** For all clients of one address together: half of a core. */
  addressWorkMsPerSecond: 500,
  /** The same at once: two clients that list everything. */
  addressWorkBurstMs: 2_000,
  /** Pause after EMFILE or a similar error before the next accept. */
  acceptPauseMs: 50,
  /** How long a request waits for a descriptor: less than clients wait. */
  shortageMs: 12_000,
  /** How often a listener is restarted, in case it stopped at EMFILE. */
  acceptCheckMs: 2_000,

  // metrics and health, over HTTP
  /** Connections to the metrics port: the scraper, and people. */
  httpConnectionCount: 16,
  /** A request with all its header fields; browsers send 1 KiB. */
  httpHeadBytes: 8 * KIB,
  /** From accept to the end of a request's head; the same after the answer. */
  httpHeadMs: 1_000,
  /** From accept to the end of the answer, absolute. */
  httpMs: 5_000,

  // registry
  /** Lease of a registration; three renewals may be missed. */
  leaseSeconds: 60,
  /** How long a restarted relay says that it was: one and a half renewals. */
  comingBackSeconds: 30,
  /** How often a node renews, in a quiet relay. */
  renewSeconds: 20,
  /** The longest lease a busy relay may set, three times what nodes follow. */
  leaseMaxSeconds: 900,
  /** The shortest renewal interval that a node accepts. */
  renewMinSeconds: 5,
  /** The longest renewal interval that a node accepts. */
  renewMaxSeconds: 300,
  /**
   * Renewals a second above which the relay lengthens leases. Each renewal is a
   * connection and takes 1 ms of the main thread: this is a quarter of it.
   */
  renewalsPerSecond: 250,
  /** Nodes that stay connected, to notice the relay's end: 40 KiB each. */
  stayingNodeCount: 500,
  /** Of these, nodes at one address: it needs other connections too. */
  stayingNodesPerAddressCount: 16,
  /** Nodes in the registry. */
  nodeCount: 100_000,
  /** Nodes registered from one address. */
  nodesPerAddressCount: 32,
  /** Registrations of one node within {@linkcode reregisterWindowMs}. */
  reregisterCount: 3,
  /** The time over which {@linkcode reregisterCount} counts. */
  reregisterWindowMs: 10_000,
  /** Addresses in one registration. */
  addressCount: 8,
  /**
   * Of these, addresses at hosts that the relay did not see the node come from:
   * a home network and a name for it. A node can send clients to such an
   * address even if it belongs to somebody else.
   */
  unobservedAddressCount: 2,
  /** Bytes of one node on a page: most need 1 KiB, the largest 2.1. */
  listedEntryBytes: 2_560,
  /** Bytes of one host name or IP literal in a registration. */
  hostBytes: 128,
  /** Code points of a node's display name. */
  displayNameCount: 64,
  /** UTF-16 units of a greeting or a motd: three lines of a terminal. */
  greetingCount: 200,
  /** Nodes in one page of a listing (its bytes are bounded by the frame). */
  listingPageCount: 1_000,
  /** How long a first page is reused: many clients begin there. */
  firstPageMs: 100,
  /** Nodes a client takes from one relay, however many pages it sends. */
  listingCount: 1_000_000,
  /** Between two dial-backs to the same node. */
  dialBackPauseMs: 5_000,

  /** Dial-backs under way at once. */
  dialBackCount: 16,
  /** Of these, to one address: a silent port holds its slot for seconds. */
  dialBacksPerAddressCount: 2,
  /**
   * Ports of one address at which no node proved itself, in
   * {@linkcode dialBackFailureMs}: one for each node that may register there.
   * Each is dialled once in {@linkcode dialBackPauseMs}, for any number of ids.
   */
  dialBackFailureCount: 32,
  /** The time for {@linkcode dialBackFailureCount}. */
  dialBackFailureMs: 60_000,
  /** A node slower than this to answer is better off with tunnels. */
  reachMs: 2_000,
  /** Dead nodes that one command of a client reports, in one message. */
  reportCount: 64,
  /** How often ended leases are removed from memory. */
  sweepMs: 1_000,
  /** Leases removed in one turn, some 10 ms: all may end at once. */
  sweepCount: 1_000,
  /**
   * Fingerprints in a relay's index, with those that wait for removal: 10,000
   * nodes with 1,000 files each. They take 10 bytes each.
   */
  indexEntryCount: 24_000_000,
  /** Fingerprints of one node: 1.8 million files, 40 MB. */
  indexEntriesPerNodeCount: 4_000_000,
  /** Fingerprints of all nodes at one address. */
  indexEntriesPerAddressCount: 8_000_000,
  /** Fingerprints that a relay tidies in one turn, some 5 ms. */
  indexTidyCount: 100_000,
  /** Fingerprints added and removed by one message: 60 KB of base64. */
  indexMessageCount: 4_500,
  /** Fingerprints that take a relay as long as one request. */
  indexPerRequestCount: 500,
  /** The shortest time between two reports of changed names. */
  indexPauseMs: 5_000,
  /** How long a node waits after a relay refused its index. */
  indexRetryMs: 600_000,
  /** Fingerprints of one request for nodes. */
  indexAskedCount: 64,
  /** Fingerprints that a client asks for; with more it asks all nodes. */
  indexAskedMostCount: 1_024,
  /** Nodes in an answer from the index; of more, all are listed. */
  indexAnswerCount: 1_024,
  /** With at most so many nodes at the relay, a client asks all of them. */
  askAllCount: 32,
  /** The shortest time between two log lines about the same refusal. */
  refusalPauseMs: 10_000,
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
  /** A client with a smaller heap does not collect early: a fifth of its time. */
  collectClientFromBytes: 32 * MIB,
  /** Growth of its heap after which a client collects. */
  collectClientGrowthBytes: 16 * MIB,
  /** Its share of the time: a list of 100,000 files takes 0.2 s. */
  collectClientBusyPercent: 25,

  // tunnels
  /** A tunnel ends unless both sides join within this time. */
  tunnelJoinMs: 30_000,
  /** A tunnel ends after this time without a byte in either direction. */
  tunnelIdleMs: 60_000,
  /** Tunnels in the whole relay, including half-open ones. */
  tunnelCount: 1_000,
  /** Tunnels to one node: three addresses together cannot use them all up. */
  tunnelsPerNodeCount: 64,
  /** Tunnels for the clients at one address: twice {@linkcode askingCount}. */
  tunnelsPerAddressCount: 16,
  /** Tunnel connections of one address: an office full of nodes. */
  tunnelConnectionsPerAddressCount: 512,
  /** Bytes that a tunnel buffers in each direction. */
  tunnelBufferBytes: 64 * KIB,
  /** How often the relay pings an attached node. */
  pingMs: 20_000,
  /** An attached node that hears nothing for this time attaches again. */
  attachedIdleMs: 65_000,
  /** How often a node asks the relay whether others can dial it. */
  reachCheckMs: 300_000,
  /** A client asks for a tunnel when dialling has taken this long. */
  tunnelHeadStartMs: 300,
  /** How long a client waits for its only node to attach again. */
  tunnelPatienceMs: 45_000,
  /** How long tunnels may take to end when the relay stops. */
  tunnelDrainMs: 10_000,

  // registration by a node
  /** First wait after a failed attempt to register; doubles, full jitter. */
  retryFirstMs: 500,
  /** Longest wait between two attempts to reach the relay. */
  retryMaxMs: 30_000,
  /**
   * Attempts to reach the relay within one renewal interval: 5 s apart at a
   * quiet relay, and further apart at a relay that has so many nodes that it
   * lengthens renewals.
   */
  retriesPerRenewalCount: 4,
  /** How long a node may spend on withdrawing when it exits. */
  withdrawMs: 2_000,

  // access
  /** Failed proofs of one address before it is ignored for a while. */
  proofFailureCount: 5,
  /** The time in which these count, and for which the address is ignored. */
  proofFailureWindowMs: 60_000,
  /** Addresses with failed proofs that are remembered. */
  proofFailureSourceCount: 4_096,
  /** How long a relay's grants are valid; checked when a client connects. */
  grantSeconds: 3_600,
  /**
   * How far the clocks of relay and node may differ. A file written this far in
   * the future, by the client's clock, may also still be the newest.
   */
  clockToleranceMs: 300_000,
  /** The longest validity of a link. */
  linkSeconds: 30 * 86_400,
  /** The most fetches that a link may allow. */
  linkUsesCount: 1_000,
  /** Fetches by link that a relay or a node remembers. */
  linkUseCount: 100_000,
  /** The age at which a client asks for new grants. */
  grantRenewMs: 1_800_000,
  /** A node whose token was refused asks again after about this time. */
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
  /**
   * Folders and files that one share may consist of: a node asks for the state of
   * each every `shareCheckMs`, 20 µs for one.
   */
  sharePathCount: 1_000,
  /** A `.p2pignore`: some 2,000 patterns, each of which is tried on each name. */
  ignoreFileBytes: 64 * KIB,
  /**
   * Steps that the patterns of a folder, and of those around it, may take for the
   * deepest name, some 10 ms: 2,048 patterns, or one with four `**`.
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
  /**
   * Bytes of one request of a lane that is quick: a quarter of the messages to
   * the main thread that requests of a mebibyte take.
   */
  laneTaskBytes: 4 * MIB,
  /** The longest that a request of a lane should take: so far progress jumps. */
  laneTaskMs: 250,
  /** Lanes of one fetch: more cores than these wait for the network. */
  laneCount: 4,
  /** Below this a second lane takes longer to start than it is of use. */
  lanesFromBytes: 64 * MIB,
  /** File bytes requested on one connection and not yet received. */
  windowBytes: 8 * MIB,
  /** Requests on one connection that wait for their answers. */
  windowRequestCount: 48,
  /** Small files in one request: a larger one would save nothing more. */
  batchFileCount: 48,
  /** Bytes of the files in one request: what a broken connection loses at most. */
  batchBytes: 1 * MIB,
  /** Files that are requested at once: so many that no node waits for work. */
  requestedFileCount: 384,
  /** Files that are open at once while they are received. */
  openFileCount: 64,
  /** Small files saved on the spot: for fewer a worker is not worth its start. */
  savedHereCount: 128,
  /**
   * Files that are received or wait, with all that is known about them: 3 MiB.
   * More than twice `requestedFileCount`, so that no node has to wait for work;
   * with 4,096 the heap grew by 60 MiB more until V8 collected.
   */
  plannedFileCount: 1_024,
  /**
   * Files that their nodes have not hashed and are asked about ahead of their
   * turn: with 50 ms of latency 300 files a second, not 20.
   */
  askedAheadCount: 16,
  /**
   * Addresses and files whose fetches `send` counts: each takes a byte a piece, so
   * 16 MiB at most.
   */
  receiverCount: 256,
  /** Fetches that a node tells one by one: of 1 TiB each takes 32 KiB. */
  fetchCount: 256,
  /** Fetches of one client told one by one at once; then it is gathered. */
  fetchBurstCount: 4,
  /** Until one more is: of large files one a line, of small ones few. */
  fetchRefillMs: 2_000,
  /** The same for all clients of a node together: a screen of lines. */
  fetchNodeBurstCount: 20,
  /** Ten a second can still be read, and stored. */
  fetchNodeRefillMs: 100,
  /** Smaller files join others that are gathered: photos, for example. */
  fetchAloneBytes: 16 * MIB,
  /** A fetch without a byte or a request for this time has ended. */
  fetchQuietMs: 5_000,
  /** How often fetches are looked at and drawn: often enough to look alive. */
  fetchLookMs: 250,
  /** Addresses that a node counts for its summary: 1 MiB. */
  servedAddressCount: 10_000,
  /**
   * `send` ends this long after its last fetch, if a client has not hung up by
   * then: the last bytes may still be on their way over a slow line.
   */
  sentLingerMs: 30_000,
  /** A file of sums for `get --sums`: for 100,000 names of 600 bytes. */
  sumsFileBytes: 64 * MIB,
  /** With `--wait`: until a missing file is asked for again, the first time. */
  waitFirstMs: 1_000,
  /** The same, at most: each question goes to the relay and all of its nodes. */
  waitMostMs: 30_000,
  /**
   * Reading whole lists while waiting: a pause is so many times as long as the
   * last reading took, so that waiting costs nodes a twentieth of a fetch.
   */
  waitListsRatio: 20,
  /** The longest of these pauses: a new file may wait so long. */
  waitListsMostMs: 300_000,
  /**
   * Words at once that a node works on an answer: it says so every 5 s, and a
   * network that stood still brings those of a minute together.
   */
  workingBurstCount: 16,
  /** How often it may say so over a longer time. */
  workingPauseMs: 2_500,
  /** How often a node may break off before it is excluded. */
  sourceFailureCount: 3,
  /**
   * How often a piece may fail, over all nodes, before its file is given up. A
   * node that has not failed is still asked, however many others have.
   */
  pieceFailureCount: 5,
  /** How often a file that changes during the fetch is started again. */
  refetchCount: 3,
  /** A node this much slower for its pieces loses them to an idle one. */
  takeOverMs: 500,
  /**
   * A connection that brings nothing for this time loses pieces to another one
   * of the same node. While it moves, the other could only bring the same bytes
   * at the cost of the first. A node whose rate 64 connections share serves each
   * of them every 8 s.
   */
  connectionQuietMs: 10_000,
  /** A node slower than this over 30 s is excluded while there is another. */
  lowestBytesPerSecond: 4 * KIB,
  /** Nodes dialled at one address where the relay saw none of them. */
  claimedDialCount: 4,
  /** Such addresses of one host that may fail before it is avoided. */
  claimedFailureCount: 16,
  /** How long a node's list of files may take, at any rate. */
  listingMs: 15_000,
  /** The rate that a list must keep up after that: 30 files a second. */
  listingBytesPerSecond: 4 * KIB,
  /** How long a node's list may take at most: 100,000 files at 1 Mbit/s. */
  listingMostMs: 300_000,
  /**
   * Times that a node may say, every 5 s, that it still scans its share: a
   * million files take a minute.
   */
  listingWorkingCount: 24,
  /** Bytes that a client keeps of one node's list: some 200,000 files. */
  listingNodeBytes: 24 * MIB,
  /** Bytes of all lists, beside some 140 MB that a client uses anyway. */
  listingBytes: 40 * MIB,
  /** Unread pages of a list before the client stops receiving. */
  listingPagesAheadCount: 4,
  /** Nodes asked for files at once, not counting slow ones. */
  askingCount: 8,
  /** Nodes asked at once, slow ones included: a tenth of all descriptors. */
  askingMostCount: 64,
  /** A node that takes longer is slow: the next one is asked beside it. */
  askingPatienceMs: 1_000,
  /** Names asked for together; while they are fetched, the next are asked. */
  askingBatchCount: 256,
  /**
   * After the first node with the file, the time that others get to offer it
   * too.
   */
  askingGraceMs: 300,
  /**
   * How long a client waits in all for files to be hashed that decide a vote,
   * and for nodes to answer before a file is replaced.
   */
  settleMs: 10_000,
  /** Buffers that a node sends from, shared by all of its clients. */
  sendBufferBytes: 32 * MIB,
  /**
   * Bytes of pieces that a node vouches for together at most, after it checked
   * that the file is unchanged: what a broken connection loses at most.
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
   * How long a node waits for the first scan of its share before it registers: a
   * million files take a minute. It then finds files by name, and listings wait.
   */
  firstScanMs: 1_000,
  /** The shortest time between two scans of a share for a missing name. */
  rescanPauseMs: 2_000,
  /**
   * The same where the system reports changes: it misses those made on other
   * machines.
   */
  rescanWatchedMs: 60_000,
  /** Share of the time that may go into scanning a share again. */
  rescanPercent: 5,
  /**
   * A folder with more entries is watched in a worker: for so many, beginning to
   * watch takes 0.2 s, in which a node does nothing else.
   */
  watchedHereCount: 20_000,
  /** How often a node checks that its folder is still there: a quick call. */
  shareCheckMs: 2_000,
  /** Unshared entries whose names are kept; the others are only counted. */
  skippedNameCount: 1_000,
  /** A node's work that takes longer gives others a turn in between. */
  turnMs: 5,
  /** A client gives a node up after this time without a byte. */
  pieceStallMs: 20_000,

  // finding relays on the local network
  /** A query, and the longest answer: what a relay says fits five times. */
  announceBytes: 512,
  /** Answers a second to one address: three queries, and a person who repeats. */
  announceAnswersPerAddressPerSecond: 6,
  /**
   * Places that count answers, in each of 4 rows of bytes: millions of forged
   * queries a second, more than a gigabit carries, before others go without.
   */
  announceCellCount: 65_536,
  /** How long answers are waited for: they come within milliseconds. */
  announceWaitMs: 1_000,
  /** Relays that are listed: a person chooses among them. */
  announceListCount: 64,

  // files that the user names
  /** A configuration file: one line for each option is under 2 KiB. */
  configBytes: 64 * KIB,
  /** A receipt: 500 bytes for each file, 100,000 files and more. */
  receiptBytes: 64 * MIB,

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
