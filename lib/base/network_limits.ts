/**
 * The limits of what goes over the network: frames, connections, the registry,
 * tunnels and access. `limits.ts` holds them together with the others.
 *
 * @module
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The unit is part of each name; the reason stands above the number. */
export const NETWORK_LIMITS = {
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
  /**
   * Ports tried for a listener that needs a socket for each family, if the system
   * picks: few are taken for one of them alone.
   */
  bothFamiliesAttemptCount: 8,
  /** TCP connect to one address. */
  connectMs: 5_000,
  /** After this time without an answer, a peer's next address is tried too. */
  staggerMs: 250,
  /** From accept to hello, absolute: trickling bytes does not extend it. */
  handshakeMs: 10_000,
  /** Handshakes under way in the whole process. */
  handshakeCount: 256,
  /**
   * Handshakes under way for one address: most of an office that begins at once.
   * An attacker at four addresses can take all of them, and is then replaced by
   * everybody who has held places for less time.
   */
  handshakesPerAddressCount: 64,
  /** Bytes from a peer before our answer: a whole TLS record. */
  clientHelloBytes: 16 * KIB + 5,
  /**
   * Pause before the rest of a client hello is looked for; twice as long each
   * time. A client hello takes one or two packets.
   */
  clientHelloPauseMs: 2,
  /**
   * While more handshakes wait than one address may have, addresses that left
   * some unfinished begin one in this time together: 10 % of a core.
   */
  handshakePauseMs: 10,
  /**
   * How long a new address keeps its place among the handshakes when all are
   * taken: eight round trips around the world.
   */
  handshakeGraceMs: 2_500,
  /**
   * When the time that handshakes held places counts half. Attackers at as many
   * addresses as are remembered then hold all places for 4 minutes at most.
   */
  placeHalfLifeMs: 60_000,
  /** Addresses whose handshakes are remembered: 100 bytes each. */
  handshakeGroupCount: 4_096,
  /**
   * When a failed handshake counts half: floods continue, honest failures end.
   */
  handshakeHalfLifeMs: 10_000,
  /**
   * Connections in the whole process that have said hello: with the handshakes
   * they stay under the usual limit of open files.
   */
  connectionCount: 20_000,
  /**
   * Connections of one address at the relay: an office of 100 machines behind
   * one NAT. An attacker needs 157 addresses to take all connections.
   */
  relayConnectionsPerAddressCount: 128,
  /**
   * Connections of one address at a node: 100 clients of an office, and more than
   * one for some of them. One attacker takes 10 MiB with 256 of them, and needs
   * 79 addresses to take all.
   */
  nodeConnectionsPerAddressCount: 256,
  /**
   * New connections a second from one address, on average: at 2 ms each, an
   * attacker gets 2 % of a core.
   */
  connectRatePerSecond: 10,
  /**
   * New connections of one address at once: an office of 100 machines begins to
   * fetch. An attacker gets a quarter of a second of a core by it, once in 13 s.
   */
  connectBurstCount: 128,
  /**
   * Further connection attempts that count for bytes that are not a handshake:
   * an attacker gets a fifth of its attempts, and a monitor that tries the port
   * once a second leaves half of them to others at its address.
   */
  badHandshakeTurnCount: 4,
  /**
   * Bytes over TLS without content (padding, new keys, what is added to small
   * records) that a peer may send at once, beside a 64th of its content: 12,000
   * requests in records of their own. A record that arrives in two parts counts
   * until its end.
   */
  emptyRecordBytes: 256 * 1024,
  /**
   * The same a second, on average: 6,000 small records, which take 5 % of a core.
   */
  emptyRecordBytesPerSecond: 128 * 1024,
  /**
   * The same at once for all connections of an address: as many small requests
   * as a node answers in 8 seconds.
   */
  addressEmptyRecordBytes: 1024 * 1024,
  /** The same a second, on average: 24,000 small records, a fifth of a core. */
  addressEmptyRecordBytesPerSecond: 512 * 1024,
  /** A control connection without a frame for this time is closed. */
  idleMs: 90_000,
  /**
   * After this time without a frame, a relay frees what it keeps for a connection
   * except its socket: longer than the pauses of an active client.
   */
  parkMs: 1_000,
  /** The same if the peer accepts no byte, because it does not read. */
  controlWriteStallMs: 10_000,
  /** The same for a connection that carries file bytes. */
  dataWriteStallMs: 30_000,
  /** Control frames a second on one connection, on average. */
  controlRatePerSecond: 50,
  /** Control frames of one connection at once. */
  controlBurstCount: 200,
  /**
   * Pings and invitations a second that a node takes from its relay, on
   * average; it reads the others later. At 10 to 100 us each this is 5 % of a
   * core.
   */
  unsolicitedRatePerSecond: 500,
  /** The same at once: as many clients may want tunnels together. */
  unsolicitedBurstCount: 500,
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
  /** Between two readings for the plots of the status page. */
  sampleMs: 10_000,
  /** Readings that are kept: an hour of them, and both of its ends. */
  sampleCount: 361,

  // registry
  /** Lease of a registration; three renewals may be missed. */
  leaseSeconds: 60,
  /**
   * How long a relay reports that it has just restarted: one and a half
   * renewals.
   */
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
  /**
   * How long a node may renew by one token: it signs again every hour, and a
   * leaked token is useless after that.
   */
  renewalTokenMs: 3_600_000,
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
  /** Bytes of answers from the index that are encoded once for all clients. */
  hotAnswerBytes: 4 * MIB,
  /** How long a first page is reused: many clients begin there. */
  firstPageMs: 100,
  /** Nodes a client takes from one relay, however many pages it sends. */
  listingCount: 1_000_000,
  /** Between two dial-backs to the same node. */
  dialBackPauseMs: 5_000,

  // swarm
  /** Clients that hold contents: each keeps a connection, 40 KiB. */
  holderCount: 10_000,
  /** Of these, at one address: an office with 100 machines, twice. */
  holdersPerAddressCount: 256,
  /** Contents that one client holds: more files wait for their turn. */
  contentsPerHolderCount: 64,
  /** Contents times their holders, 200 bytes each. */
  holdingCount: 100_000,
  /** Of these, at one address: 100 machines with 40 images each. */
  holdingsPerAddressCount: 4_096,
  /** Holders in one answer: a client dials 8 of them. */
  holdersAnswerCount: 50,
  /** Listed holders that take a relay as long as one request. */
  holdersPerRequestCount: 10,
  /** How long a relay may take to answer a holder before it is given up. */
  holderAnswerMs: 5_000,

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
  /** Leases removed in one turn, about 10 ms: all may end at once. */
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
  /** Fingerprints that a relay tidies in one turn, about 5 ms. */
  indexTidyCount: 100_000,
  /** Fingerprints added and removed by one message: 60 KB of base64. */
  indexMessageCount: 4_500,
  /** Fingerprints that take a relay as long as one request. */
  indexPerRequestCount: 500,
  /**
   * The shortest time between two reports of changed names. A change is found by
   * others within 5 s: the other half is for noticing it in the folder, a
   * connection to the relay, and a client's request, on busy machines.
   */
  indexPauseMs: 2_500,
  /**
   * With more changed fingerprints, a node sends all of its fingerprints again.
   */
  indexChangeCount: 100_000,
  /**
   * Times in {@linkcode indexRetryMs} that a relay may ask for all names again.
   */
  indexAnewCount: 4,
  /** How long a node waits after a relay refused its index. */
  indexRetryMs: 600_000,
  /** Fingerprints of one request for nodes. */
  indexAskedCount: 64,
  /** Fingerprints that a client asks for; with more it asks all nodes. */
  indexAskedMostCount: 1_024,
  /**
   * Nodes in an answer from the index; if there are more, all nodes are listed.
   */
  indexAnswerCount: 1_024,
  /** Nodes in a request about their indexes: 30 KiB of ids in a frame. */
  indexLookupCount: 500,
  /** If the relay lists at most this many nodes, a client asks all of them. */
  askAllCount: 32,
  /** The shortest time between two log lines about the same refusal. */
  refusalPauseMs: 10_000,

  // tunnels
  /** A tunnel ends unless both sides join within this time. */
  tunnelJoinMs: 30_000,
  /**
   * If there are too many tunnels, those that are not joined by then, or in
   * which no byte moved for this time, are evicted: a client joins within a
   * second, or after two lost packets.
   */
  tunnelSpareMs: 5_000,
  /** A tunnel ends after this time without a byte in either direction. */
  tunnelIdleMs: 60_000,
  /** Tunnels in the whole relay, including half-open ones. */
  tunnelCount: 1_000,
  /** Tunnels to one node: fewer addresses together cannot use them all up. */
  tunnelsPerNodeCount: 64,
  /** Tunnels that a node takes from one relay: some may have to end yet. */
  relayTunnelCount: 128,
  /**
   * Tunnels for the clients at one address: twice {@linkcode queriedNodeCount}.
   */
  tunnelsPerAddressCount: 16,
  /**
   * Keys of ended tunnels that a node may still show: 20 addresses must ask as
   * fast as they can to make a relay forget one within a second.
   */
  tunnelLateKeyCount: 4_096,
  /** Tunnel connections of one address: an office full of nodes. */
  tunnelConnectionsPerAddressCount: 512,
  /** Bytes that a tunnel buffers in each direction. */
  tunnelBufferBytes: 64 * KIB,
  /** How often the relay pings an attached node. */
  pingMs: 20_000,
  /** An attached node that receives nothing for this time attaches again. */
  attachedIdleMs: 65_000,
  /**
   * How long a registration waits for this machine's address in the other
   * family. If the network drops that family, the address comes with the next
   * registration.
   */
  otherFamilyMs: 1_000,
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
   * quiet relay, and further apart at a relay with so many nodes that it
   * lengthens renewals.
   */
  retriesPerRenewalCount: 4,
  /**
   * How long a client tries again if it is refused at accept. When 100 machines
   * of an office begin at once, and the burst of their address is used up, they
   * get in within 10 s.
   */
  turnedAwayMs: 12_000,
  /** First wait of a client that was refused; doubles, full jitter. */
  turnedAwayFirstMs: 250,
  /** Its longest wait: an attempt that is refused costs the other side little. */
  turnedAwayPauseMs: 2_000,
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
  /**
   * Characters of a link: it must survive mail, chat and a QR code. There is room
   * for two or three relays.
   */
  linkLength: 512,
  /**
   * How long a link waits for further relays when the first lists its node, in
   * milliseconds: a few round trips around the world.
   */
  linkRelaysMs: 2_000,
};
