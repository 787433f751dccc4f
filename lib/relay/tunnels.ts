/**
 * The relay's part in tunnels: knows the attached nodes, invites them, admits
 * both sides by their keys, and joins the two connections. It counts the
 * encrypted bytes, and cannot read them.
 *
 * client: tunnel → rendezvous → join → joined → TLS with the node
 * node:   attach → invite     → join → joined → TLS with the client
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { Channel } from "../protocol/channel.ts";
import { onDispose } from "../base/collections.ts";
import { type Conn, type Endpoint, writeAll } from "../base/conn.ts";
import { isDisconnect, ProtocolError } from "../base/errors.ts";
import { readFrame } from "../protocol/frame.ts";
import { refusal } from "../protocol/hello.ts";
import type { Incidents } from "../guard/incidents.ts";
import type { Limits } from "../base/limits.ts";
import {
  decodeMessage,
  DIRECTION,
  encodeMessage,
  type MessageOf,
  type Travelling,
} from "../protocol/messages.ts";
import { Rendezvous, type Tunnel, type TunnelEnding } from "./rendezvous.ts";
import { splice } from "./splice.ts";
import type { Accepted } from "../transport/listen.ts";
import type { InstanceTunnels } from "./cluster_side.ts";
import { HeldConn } from "./held_conn.ts";

/** Events of tunnels. */
export type TunnelEvent =
  /** A node can now be reached through the relay. */
  | { event: "node_attached"; id: string }
  /** A node can no longer be reached through the relay. */
  | { event: "node_detached"; id: string }
  /** A tunnel has ended; counts are of encrypted bytes. */
  | {
    event: "tunnel_ended";
    how: TunnelEnding;
    id: string;
    from: string;
    toClientBytes: number;
    toNodeBytes: number;
  };

/** Options of {@linkcode Tunnels}. */
export interface TunnelsOptions {
  readonly limits: Limits;
  /** Gets unknown keys. */
  readonly incidents: Incidents;
  /** Called for every event. */
  readonly onEvent: (event: TunnelEvent) => void;
  /** The other instances of the relay; by default there is none. */
  readonly instances?: () => InstanceTunnels | undefined;
}

/** An end that has joined before the other. */
interface Waiting {
  readonly conn: Conn;
  /** The other end has joined; `ended` resolves when the tunnel ends. */
  meet(ended: Promise<void>): void;
  /** The other end will not join. */
  giveUp(code: string): void;
}

/** The tunnels of one relay. Closing waits a limited time for them to end. */
export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #rendezvous: Rendezvous;
  readonly #attached = new Map<string, Channel>();
  readonly #waiting = new Map<Tunnel, Waiting>();
  /** Tunnels that the node declined and whose client does not know it yet. */
  readonly #declined = new Set<Tunnel>();
  /** Joined tunnels, and refusals being sent. */
  readonly #running = new Set<Promise<void>>();
  /** Aborted to end a joined tunnel. */
  readonly #ends = new Map<Tunnel, AbortController>();
  readonly #stop = new AbortController();
  #isClosing = false;
  #changes = 0;
  /** Runs while any node is attached. */
  #pings: ReturnType<typeof setInterval> | undefined;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#rendezvous = new Rendezvous(options.limits);
  }

  /** Tunnels that have not ended. */
  get count(): number {
    return this.#rendezvous.count;
  }

  /** Rises with every node that attaches or detaches. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether a node can be reached through the relay. */
  isAttached(id: string): boolean {
    return this.#attached.has(id);
  }

  /**
   * Attaches a node by its `channel`. The newest wins: a node that was attached
   * under the same id gets a refusal, and its attachment ends. Disposing
   * detaches.
   */
  attach(id: string, channel: Channel): Disposable {
    const former = this.#attached.get(id);
    if (former !== undefined && former !== channel) {
      former.send(refusal("replaced", "this node attached again"))
        .catch(gone)
        .finally(() => void former.close());
    }
    this.#attached.set(id, channel);
    this.#pings ??= setInterval(
      () => this.ping(),
      this.#options.limits.pingMs,
    );
    if (former === undefined) {
      this.#changes++;
      this.#emit({ event: "node_attached", id });
    }
    return onDispose(() => {
      if (this.#attached.get(id) !== channel) return;
      this.#attached.delete(id);
      this.#changes++;
      if (this.#attached.size === 0) {
        clearInterval(this.#pings);
        this.#pings = undefined;
      }
      this.#emit({ event: "node_detached", id });
    });
  }

  /** Opens a tunnel to a node, for a client at `from`. */
  open(node: string, from: Endpoint): Travelling<"relayToInstance"> {
    if (this.#isClosing) return refusal("closing", "the relay is closing");
    const channel = this.#attached.get(node);
    if (channel === undefined) {
      return refusal("not_attached", "the node is not attached to this relay");
    }
    const source = addressGroup(from.host);
    const keys = { client: this.#newKey(), node: this.#newKey() };
    const outcome = this.#rendezvous.open({
      node,
      source: isShared(source) ? undefined : source,
      client: `${from.host} ${from.port}`,
      keys,
    }, performance.now());
    if (outcome.kind === "refused") {
      this.#options.incidents.refused(outcome.reason, from);
      return refusal(outcome.reason, OPEN_REFUSAL_TEXT[outcome.reason]);
    }
    for (const { tunnel, reason } of outcome.evicted) {
      this.#evict(tunnel, reason);
    }
    channel.send({ kind: "invite", key: keys.node, from: source })
      .catch((error) => {
        gone(error);
        this.#end(outcome.tunnel, "failed", "node_gone");
      });
    return { kind: "rendezvous", key: keys.client };
  }

  /** The node `id` declines the tunnel with this key. */
  decline(id: string, { key }: MessageOf<"decline">): void {
    const tunnel = this.#rendezvous.find(key);
    // A node can end only its own tunnels, by its own key.
    if (tunnel?.node !== id || tunnel.keys.node !== key) return;
    if (this.#waiting.has(tunnel)) this.#end(tunnel, "refused", "declined");
    else this.#declined.add(tunnel);
  }

  /** Ends the tunnels that a side has not joined in time. */
  expire(now: number): void {
    for (const tunnel of this.#rendezvous.expire(now)) {
      const how = this.#declined.has(tunnel) ? "refused" : "expired";
      this.#settle(tunnel, how, "peer_did_not_join");
    }
  }

  /** Serves one end of a tunnel, from its key to the end of the tunnel. */
  async join(
    { conn, source, settle, giveTurnBack }: Accepted,
  ): Promise<void> {
    const { limits, incidents } = this.#options;
    const frame = await readFrame(conn, limits.frameBeforeHelloBytes);
    if (frame === null) return;
    const message = decodeMessage(frame, DIRECTION.toTunnel);
    if (message.kind === "unknown") {
      throw new ProtocolError("wrong_phase", "Cannot join: wanted a key");
    }
    const outcome = this.#rendezvous.join(message.key, performance.now());
    const { key } = message;
    const isNodes = outcome.kind === "refused"
      ? this.#rendezvous.wasEarlier(key)
      : outcome.side === "node";
    // A node must come when it is invited, however often strangers ask for it,
    // and an instance has limited its clients itself.
    const isPassed = this.#options.instances?.()?.isPassed(message) ?? false;
    if (isNodes || isPassed) giveTurnBack();
    if (outcome.kind === "refused") {
      const reason = await this.#passOn(message, { conn, source, settle });
      if (reason === undefined) return;
      incidents.refused(reason, conn.remote);
      const code = this.#isClosing ? "closing" : reason;
      return await this.#track(refuse(conn, code));
    }
    const { tunnel } = outcome;
    try {
      settle();
    } catch (error) { // no room: the other end would wait forever
      this.#settle(tunnel, "failed", "peer_did_not_join");
      throw error;
    }
    if (outcome.kind === "waits") {
      const waiting = this.#wait(tunnel, conn);
      if (this.#declined.has(tunnel)) this.#end(tunnel, "refused", "declined");
      return await waiting;
    }
    const other = this.#waiting.get(tunnel)!;
    this.#waiting.delete(tunnel);
    const ends = outcome.side === "node"
      ? { client: other.conn, node: conn }
      : { client: conn, node: other.conn };
    const ended = this.#track(this.#run(tunnel, ends));
    other.meet(ended);
    await ended;
  }

  /**
   * Passes an end with the key of another instance on to it, at most once.
   * Returns why it cannot.
   */
  async #passOn(
    { key, passed = false }: MessageOf<"join">,
    end: Pick<Accepted, "conn" | "source" | "settle">,
  ): Promise<string | undefined> {
    const instances = this.#options.instances?.();
    if (passed || this.#isClosing || instances === undefined) {
      return "unknown_key";
    }
    const over = instances.passOn({ ...end, key }, this.#stop.signal);
    await this.#track(over.then(() => {}));
    return await over;
  }

  #newKey(): string {
    const key = newKey();
    return this.#options.instances?.()?.keyHere(key) ?? key;
  }

  /** Registers work that closing must wait for. */
  async #track(part: Promise<void>): Promise<void> {
    this.#running.add(part);
    await part.finally(() => this.#running.delete(part));
  }

  async #wait(tunnel: Tunnel, inner: Conn): Promise<void> {
    const conn = new HeldConn(inner);
    const { promise: over, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(tunnel, {
      conn,
      meet: resolve,
      giveUp: (code) => resolve(this.#track(refuse(conn, code))),
    });
    // If this end disconnects, its tunnel makes room at once.
    void conn.left.then(() => this.#end(tunnel, "abandoned", "ended"));
    await over;
  }

  async #run(
    tunnel: Tunnel,
    { client, node }: { client: Conn; node: Conn },
  ): Promise<void> {
    const { limits } = this.#options;
    const joined = encodeMessage({ kind: "joined" });
    const end = new AbortController();
    this.#ends.set(tunnel, end);
    try {
      await Promise.all([writeAll(client, joined), writeAll(node, joined)]);
    } catch {
      client.close();
      node.close();
      return this.#settle(tunnel, "abandoned");
    }
    const outcome = await splice(client, node, {
      bufferBytes: limits.tunnelBufferBytes,
      idleMs: limits.tunnelIdleMs,
      onMoved: () => this.#rendezvous.moved(tunnel, performance.now()),
      signal: end.signal,
    });
    this.#settle(tunnel, outcome.how, undefined, {
      toNodeBytes: outcome.aToB,
      toClientBytes: outcome.bToA,
    });
  }

  /** Ends a tunnel that was evicted. */
  #evict(tunnel: Tunnel, reason: string): void {
    const end = this.#ends.get(tunnel);
    if (end === undefined) this.#settle(tunnel, "failed", reason);
    else end.abort();
  }

  /** Ends a tunnel before both sides have joined. */
  #end(tunnel: Tunnel, how: TunnelEnding, code: string): void {
    if (tunnel.phase === "ended" || tunnel.phase === "joined") return;
    this.#settle(tunnel, how, code);
  }

  /** Removes a tunnel, and reports how it ended. */
  #settle(
    tunnel: Tunnel,
    how: TunnelEnding,
    code = "ended",
    bytes = { toClientBytes: 0, toNodeBytes: 0 },
  ): void {
    this.#rendezvous.end(tunnel);
    this.#waiting.get(tunnel)?.giveUp(code);
    this.#waiting.delete(tunnel);
    this.#declined.delete(tunnel);
    this.#ends.delete(tunnel);
    const { node: id, source: from } = tunnel;
    this.#emit({ event: "tunnel_ended", how, id, from, ...bytes });
  }

  /** Finds out which attached nodes are still there. */
  ping(): void {
    for (const channel of this.#attached.values()) {
      channel.send({ kind: "ping" }).catch(gone);
    }
  }

  /**
   * Opens no more tunnels. Gives running ones a limited time, then ends them.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const tunnel of this.#rendezvous.expire(Infinity)) {
      this.#settle(tunnel, "failed", "closing");
    }
    if (this.#running.size > 0) {
      const timer = setTimeout(
        () => this.#abort(),
        this.#options.limits.tunnelDrainMs,
      );
      await Promise.all(this.#running);
      clearTimeout(timer);
    }
    this.#abort();
  }

  #abort(): void {
    this.#stop.abort();
    for (const end of this.#ends.values()) end.abort();
  }

  #emit(event: TunnelEvent): void {
    this.#options.onEvent(event);
  }
}

const OPEN_REFUSAL_TEXT = {
  too_many_tunnels: "the relay has reached its limit of tunnels",
  too_many_tunnels_for_node: "the node has reached its limit of tunnels",
  too_many_tunnels_for_address: "too many tunnels for this address",
} as const;

const KEY_BYTES = 16;

/** 128 random bits, as text. */
function newKey(): string {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES))
    .toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Reports to an end why it cannot join; the end may have disconnected already.
 */
async function refuse(conn: Conn, code: string): Promise<void> {
  await writeAll(conn, encodeMessage(refusal(code, "no tunnel")))
    .then(() => conn.closeWrite())
    .catch(gone);
}

/**
 * Ignores that a peer has disconnected or does not read: other code notices it.
 */
function gone(error: unknown): void {
  if (!isDisconnect(error) && !(error instanceof ProtocolError)) throw error;
}
