/**
 * Announces a relay on the local network, and finds relays there. Uses
 * multicast and broadcast, because networks and firewalls may pass only one of
 * them.
 *
 * Without a permission to list this machine's network interfaces, only the
 * usual one is used.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram";
import { delay } from "@std/async/delay";
import { addressGroup, isLoopback } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { LIMITS } from "../base/limits.ts";
import { isGranted, requireNet } from "../base/permission.ts";
import { AnswerRate } from "../guard/answer_rate.ts";
import {
  type GroupedPlace,
  GroupSizes,
  placeToEvict,
} from "../guard/eviction.ts";
import {
  ANNOUNCE_GROUP,
  ANNOUNCE_PORT,
  type Announcement,
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
  newQueryToken,
} from "../protocol/announcement.ts";

/** Options of {@linkcode announce}. */
export interface AnnounceOptions {
  /**
   * The address that the relay listens on; on loopback, only this machine can
   * find it.
   */
  readonly host?: string;
  /** Another UDP port than the protocol's; 0 lets the system pick one. */
  readonly port?: number;
}

/** A running announcer. Disposing stops it. */
export interface Announcer extends AsyncDisposable {
  /** Its UDP port. */
  readonly port: number;
}

/**
 * Answers queries on the local network, until it is disposed of.
 *
 * @throws {RangeError} if the announcement is too long for an answer.
 * @throws {Error} of the system if the port cannot be bound.
 */
export async function announce(
  announcement: Announcement,
  { host = "0.0.0.0", port = ANNOUNCE_PORT }: AnnounceOptions = {},
): Promise<Announcer> {
  encodeAnswer(newQueryToken(), announcement); // throws now if it is too long
  const isAlone = isLoopback(host);
  const socket = await bound({ host: isAlone ? host : "0.0.0.0", port });
  if (!isAlone) joinGroup(socket);
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  const rate = new AnswerRate(seed);
  socket.on("message", (bytes, { address, port }) => {
    const token = decodeQuery(bytes);
    if (token === undefined) return;
    if (!rate.allows(addressGroup(address), performance.now())) return;
    socket.send(encodeAnswer(token, announcement), port, address, ignore);
  });
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => closed(socket),
  };
}

/** A relay that has answered. */
export interface FoundRelay extends Announcement {
  /** Where to dial it. */
  readonly host: string;
}

/** A relay, and the address that its answer came from. */
interface Answered {
  readonly relay: FoundRelay;
  readonly from: string;
}

/**
 * The answers to a query. When there are too many, one from the address with
 * the most answers is evicted.
 */
class Answers {
  readonly #byRelay = new Map<string, GroupedPlace & Answered>();

  get all(): readonly Answered[] {
    return [...this.#byRelay.values()];
  }

  add(answer: Announcement, from: string): void {
    const relay = { ...answer, host: answer.host ?? from };
    const key = `${formatEndpoint(relay)}/${relay.id}`;
    // Others could give a relay another name.
    const isFromRelay = answer.host === undefined;
    const group = addressGroup(from);
    const isKept = this.#byRelay.has(key)
      ? isFromRelay
      : this.#makesRoom(group);
    if (isKept) this.#byRelay.set(key, { relay, from, group });
  }

  #makesRoom(group: string): boolean {
    if (this.#byRelay.size < LIMITS.announceListCount) return true;
    const sizes = new GroupSizes(this.#byRelay.values());
    const loser = placeToEvict(this.#byRelay, {
      own: sizes.of(group),
      sizeOf: ([, place]) => sizes.of(place.group),
    });
    return loser !== undefined && this.#byRelay.delete(loser[0]);
  }
}

/** Options of {@linkcode findRelays}. */
export interface FindRelaysOptions {
  /** Another UDP port than the protocol's. */
  readonly port?: number;
  /** How long to wait for answers. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks the local network for relays. Their answers are not authenticated: check
 * the id when dialling.
 *
 * @returns those that answered in time, by name.
 * @throws {Error} of the system if nothing can be sent.
 */
export async function findRelays(
  { port = ANNOUNCE_PORT, waitMs = LIMITS.announceWaitMs, signal }:
    FindRelaysOptions = {},
): Promise<FoundRelay[]> {
  const token = newQueryToken();
  const found = new Answers();
  const socket = await bound({ host: "0.0.0.0", port: 0 });
  try {
    socket.on("message", (bytes, { address }) => {
      const answer = decodeAnswer(bytes, token);
      if (answer !== undefined) found.add(answer, address);
    });
    socket.setBroadcast(true);
    const query = encodeQuery(token);
    for (let sent = 0; sent < QUERIES; sent++) {
      await sendEverywhere(socket, { query, port });
      await delay(waitMs / QUERIES, { ...(signal && { signal }) });
    }
  } finally {
    await closed(socket);
  }
  const own = new Set(ownNetworks().map(({ address }) => address));
  return withoutDuplicates(found.all, own)
    .toSorted((one, other) =>
      one.name < other.name ? -1 : one.name > other.name ? 1 : 0
    );
}

// Datagrams get lost.
const QUERIES = 3;
// Only this network: routers do not forward it.
const HOPS = 1;

/**
 * Drops the loopback answer of a relay on this machine that also answers at
 * another address. Only answers from this machine count here, because any other
 * could repeat the id and port of this relay.
 */
export function withoutDuplicates(
  answered: readonly Answered[],
  own: ReadonlySet<string>,
): FoundRelay[] {
  const isHere = ({ relay, from }: Answered) =>
    own.has(from) && !isLoopback(relay.host);
  return answered.filter(({ relay: { host, id, port } }) =>
    !isLoopback(host) ||
    !answered.some((other) =>
      isHere(other) && other.relay.id === id && other.relay.port === port
    )
  ).map(({ relay }) => relay);
}

async function bound(
  { host, port }: { host: string; port: number },
): Promise<Socket> {
  requireNet({ host, port });
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  socket.bind({ address: host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.on("error", ignore); // an answer that cannot be sent is lost
  return socket;
}

/** Joins the group on all interfaces, or on the usual one. */
function joinGroup(socket: Socket): void {
  const addresses = ownNetworks().map(({ address }) => address);
  for (const address of addresses.length === 0 ? [undefined] : addresses) {
    try {
      socket.addMembership(ANNOUNCE_GROUP, address);
    } catch {
      // That interface has no multicast; broadcasts still arrive.
    }
  }
}

/** Sends a query to the group and by broadcast, and to this machine. */
async function sendEverywhere(
  socket: Socket,
  { query, port }: { query: Uint8Array; port: number },
): Promise<void> {
  const networks = ownNetworks();
  const send = (address: string) =>
    new Promise<void>((resolve) =>
      // If one way fails, another may work.
      socket.send(query, port, address, () => resolve())
    );
  socket.setMulticastTTL(HOPS);
  if (networks.length === 0) await send(ANNOUNCE_GROUP);
  for (const { address, broadcast } of networks) {
    try {
      socket.setMulticastInterface(address);
      await send(ANNOUNCE_GROUP);
    } catch {
      // That interface has no multicast.
    }
    await send(broadcast);
  }
  await send("255.255.255.255");
  await send("127.0.0.1");
}

/** This machine's IPv4 networks; none without the permission. */
function ownNetworks(): { address: string; broadcast: string }[] {
  if (!isGranted({ name: "sys", kind: "networkInterfaces" })) return [];
  return Deno.networkInterfaces().flatMap(({ family, address, netmask }) => {
    if (family !== "IPv4" || isLoopback(address)) return [];
    const own = address.split(".").map(Number);
    const mask = netmask.split(".").map(Number);
    const broadcast = own.map((part, at) => part | (~mask[at]! & 0xff));
    return [{ address, broadcast: broadcast.join(".") }];
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

function ignore(): void {}
