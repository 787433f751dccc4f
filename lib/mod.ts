/**
 * Any file, by name, from any of your machines that has it: the library behind
 * `relay.ts`, `peer_node.ts` and `peer_client.ts`. Each function takes one
 * options object, with `signal` and `onEvent`, and returns an object to dispose
 * of with `await using`.
 *
 * @example A relay, a node and a client in one program
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fetchFile, serveNode, serveRelay } from "./mod.ts";
 *
 * const registered = Promise.withResolvers<void>();
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * await using node = await serveNode({
 *   relay: relay.address,
 *   host: "127.0.0.1",
 *   port: 0,
 *   directory: "files/two",
 *   onEvent: ({ event }) => event === "registered" && registered.resolve(),
 * });
 * await registered.promise;
 *
 * await using file = await fetchFile({ relay: relay.address, name: "2.txt" });
 * const pieces = await Array.fromAsync(file.pieces(), (piece) => piece.slice());
 * assertEquals(await new Blob(pieces).text(), "I am Text file 2\n");
 * assertEquals(file.node.id, node.id);
 * ```
 *
 * @example List nodes and files, and save a file, with progress
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { getFiles, listFiles, listNodes, serveNode, serveRelay } from "./mod.ts";
 *
 * const registered = Promise.withResolvers<void>();
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * await using _node = await serveNode({
 *   relay: relay.address,
 *   host: "127.0.0.1",
 *   port: 0,
 *   name: "alpha",
 *   directory: "files/one",
 *   onEvent: ({ event }) => event === "registered" && registered.resolve(),
 * });
 * await registered.promise;
 *
 * const { nodes } = await listNodes({ relay: relay.address });
 * assertEquals(nodes.map(({ name }) => name), ["alpha"]);
 * const files = await listFiles({ relay: relay.address });
 * assertEquals(files.map(({ name }) => name), ["1.txt", "letter.txt"]);
 *
 * const folder = await Deno.makeTempDir();
 * let received = 0;
 * const { saved, failed } = await getFiles({
 *   relay: relay.address,
 *   selections: [{ kind: "name", name: "1.txt" }],
 *   pathOf: (name) => `${folder}/${name}`,
 *   onEvent: (event) => {
 *     if (event.event === "progress") received = event.received;
 *   },
 * });
 * assertEquals([saved.size, failed.size, received], [1, 0, 17]);
 * assertEquals(await Deno.readTextFile(`${folder}/1.txt`), "I am Text file 1\n");
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @example A failure says what failed, where, why and what to do
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { Failure, fetchFile, serveRelay } from "./mod.ts";
 *
 * await using relay = await serveRelay({ host: "127.0.0.1", port: 0 });
 * const failure = await assertRejects(
 *   () => fetchFile({ relay: relay.address, name: "1.txt" }),
 *   Failure,
 * );
 * assertEquals([failure.kind, failure.exitCode], ["not_found", 4]);
 * assertEquals(failure.parts.where, "1.txt");
 * ```
 *
 * @example A relay with metrics, which a signal stops
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatExposition, RelayMetrics, serveRelay } from "./mod.ts";
 *
 * const stop = new AbortController();
 * const metrics = new RelayMetrics();
 * await using relay = await serveRelay({
 *   host: "127.0.0.1",
 *   port: 0,
 *   motd: "away on Sunday",
 *   signal: stop.signal,
 *   onEvent: (event) => metrics.onEvent(event, performance.now()),
 * });
 * assertEquals(metrics.troubles(relay.stats(), performance.now()), []);
 * const text = formatExposition(metrics.families(relay.stats()));
 * assertEquals(text.includes("\nrelay_p2p_leases 0\n"), true);
 * stop.abort();
 * ```
 *
 * @module
 */

export {
  type Access,
  AccessFailure,
  type LinkAccess,
} from "./access/credentials.ts";
export {
  formatLink,
  type Link,
  type LinkRelay,
  parseLink,
} from "./access/link.ts";
export type { AccessRefusalCode } from "./access/refusal.ts";
export type { Secrets } from "./access/relay_access.ts";
export { parseSecret } from "./access/secret.ts";
export { readSecretFile } from "./access/secret_file.ts";
export {
  formatToken,
  parseToken,
  type Token,
  tokenOf,
  type TokenRole,
} from "./access/token.ts";
export {
  formatRelayAddress,
  parseRelayAddress,
  type RelayAddress,
} from "./base/address.ts";
export {
  type GatewayEvent,
  type GatewayOptions,
  type GatewayServer,
  serveGateway,
} from "./gateway/server.ts";
export type { WebCertificate } from "./transport/accept.ts";
export type { ByteRange, Section } from "./content/section.ts";
export type { ContentGroup, Offer, Preference } from "./content/choice.ts";
export type {
  ClientEvent,
  FoundFile,
  NodeAnswer,
  PlannedAction,
  Progress,
} from "./client/events.ts";
export {
  type FetchedFile,
  fetchFile,
  type FetchOptions,
} from "./client/fetch.ts";
export {
  getFiles,
  type GetOptions,
  type GetResult,
  type Selection,
} from "./client/get.ts";
export type { SwarmEvent } from "./client/swarm_events.ts";
export type { HolderEvent } from "./uplink/holder_lease.ts";
export type { SwarmOptions } from "./client/swarming.ts";
export {
  type LinkOptions,
  linkTo,
  type LinkToOptions,
  type MadeLink,
  makeLink,
} from "./client/link.ts";
export type { LinkText } from "./client/passes.ts";
export {
  type FileListing,
  listFiles,
  type ListFilesOptions,
  listNodes,
  type ListNodesOptions,
} from "./client/listing.ts";
export { type FileSum, sumFiles, type SumsOptions } from "./client/sums.ts";
export type { BytesByPath, Delivery } from "./client/deliveries.ts";
export type { ListedGrant, ListedNode, NodeListing } from "./client/nodes.ts";
export type { HashWaitEvent } from "./client/hash_waits.ts";
export type { ClientOptions, PeersEvent } from "./client/peers.ts";
export type {
  TransferOptions,
  WantedNames,
} from "./client/transfer_options.ts";
export { type Endpoint, formatEndpoint, type Path } from "./base/conn.ts";
export type { HistogramSnapshot } from "./guard/counts.ts";
export type { DescribedFile, Standing } from "./share/digesting.ts";
export type { DigestStore } from "./share/manifest_cache.ts";
export type { FileDigest } from "./share/file_table.ts";
export { DigestFolder } from "./share/digest_store.ts";
export {
  EXIT_CODE,
  Failure,
  type FailureKind,
  type FailureParts,
  type NoRoomCode,
  ProtocolError,
  type ProtocolErrorCode,
} from "./base/errors.ts";
export type { RemedyCode } from "./base/remedy_code.ts";
export {
  EXPOSITION_TYPE,
  formatExposition,
  type MetricFamily,
  type Sample,
} from "./ops/exposition.ts";
export type { RelayNotices } from "./protocol/hello.ts";
export { createIdentity, type Identity } from "./identity/identity.ts";
export type { IncidentEvent, IncidentTotals } from "./guard/incidents.ts";
export { type Acquaintance, KnownRelays } from "./identity/known_relays.ts";
export { LIMITS, type Limits } from "./base/limits.ts";
export type { Manifest } from "./content/manifest.ts";
export type { ListedRecord, SignedRecord } from "./protocol/messages.ts";
export {
  NodeMetrics,
  type NodeTrouble,
  RelayMetrics,
  type RelayTrouble,
} from "./ops/metrics.ts";
export type {
  FetchEvent,
  FetchTotals,
  RunningFetch,
} from "./node/fetch_types.ts";
export {
  type NodeEvent,
  type NodeOptions,
  type NodeServer,
  type NodeSettings,
  type NodeStats,
  serveNode,
  type SharedContent,
} from "./node/server.ts";
export {
  type PiecesSent,
  type ReceiverProgress,
  Receivers,
  type SentFile,
} from "./node/receivers.ts";
export type { IndexEvent } from "./node/index_updater.ts";
export type {
  AttachReason,
  RegistrarEvent,
  TunnelMode,
} from "./node/registrar.ts";
export type { NodesEvent } from "./relay/context.ts";
export type {
  ClusterEvent,
  ClusterPhase,
  ClusterStats,
  HeldItem,
  Item,
  ItemKey,
  ItemKind,
  Replicated,
  Replicator,
  TakeOutcome,
} from "./cluster/replicator.ts";
export type { TunnelEvent } from "./relay/tunnels.ts";
export type { TunnelEnding } from "./relay/rendezvous.ts";
export type { FurtherRelay } from "./access/further_relay.ts";
export type { RelaysEvent } from "./client/relays.ts";
export type { RelayDialEvent } from "./uplink/relay_dialer.ts";
export type { ClockEvent } from "./base/clock_watch.ts";
export {
  type RelayEvent,
  type RelayOptions,
  type RelayServer,
  serveRelay,
} from "./relay/server.ts";
export type { IndexStats } from "./relay/indexed_nodes.ts";
export type { RelayStats } from "./relay/stats.ts";
export type { Served } from "./node/client_reads.ts";
export type { RiskyFinds } from "./share/risky_names.ts";
export type { SharedPath } from "./share/shared_path.ts";
export type { ShareEvent } from "./share/upkeep_types.ts";
export type {
  SkipCounts,
  SkipEvent,
  SkipKind,
  SkippedName,
} from "./share/skipped.ts";
export { loadIdentity } from "./identity/identity_file.ts";
export { show } from "./base/text.ts";
