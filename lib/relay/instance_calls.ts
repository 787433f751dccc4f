/**
 * What the instances of a relay do for each other's tunnels. Behind one address
 * a node, and a client of it, may be connected with different instances:
 *
 * client → B: tunnel    B → A: open      A → node: invite
 * client → B: join      B → A: join      node → A: join
 *
 * A key names the instance that made it, with a MAC that only instances can
 * make, so nobody else can make an instance dial. An instance never passes on a
 * connection that was passed on before. Instances prove themselves by their
 * key, which is that of the relay.
 *
 * @module
 */

import { addressGroup, endpointIn } from "../base/address.ts";
import { removeUnder } from "../base/collections.ts";
import { type Conn, type Endpoint, writeAll } from "../base/conn.ts";
import { isBug, isShortage, ProtocolError } from "../base/errors.ts";
import { isSameMac } from "../access/keys.ts";
import type { Replicator } from "../cluster/replicator.ts";
import { isShared } from "../guard/admission.ts";
import { GroupSizes, placeToEvict } from "../guard/eviction.ts";
import { certificateId } from "../identity/identity.ts";
import { Channel } from "../protocol/channel.ts";
import { greet, refusal } from "../protocol/hello.ts";
import {
  DIRECTION,
  encodeMessage,
  type MessageOf,
  type Travelling,
} from "../protocol/messages.ts";
import { dial } from "../transport/dial.ts";
import { dialToLearn } from "../transport/learn.ts";
import { CallPlaces } from "./call_places.ts";
import type { InstanceTunnels, StrayEnd } from "./cluster_side.ts";
import type { RelayContext } from "./context.ts";
import { splice } from "./splice.ts";

/** Options of {@linkcode InstanceCalls}. */
export interface InstanceCallsOptions {
  readonly replicator: Pick<Replicator, "instance" | "addressOf" | "codeFor">;
  readonly relay: Pick<RelayContext, "id" | "plaintext" | "limits">;
}

/** The role in the hello of an instance that dials another. */
const INSTANCE_ROLE = "instance";

const KEY_HERE = /^([\w-]{22})\.([\w-]{22})\.([\w-]{22})$/;

/** An end that is being passed on. */
interface PassedEnd {
  readonly group: string;
  /** Aborted to end it. */
  readonly over: AbortController;
}

/** The calls of one instance. */
export class InstanceCalls implements InstanceTunnels {
  readonly #options: InstanceCallsOptions;
  /** Ends that are being passed on, by instance. */
  readonly #passing = new Map<string, Set<PassedEnd>>();
  /** Places of the calls to each instance that was alive, by address. */
  readonly #calls = new Map<string, CallPlaces>();
  /** Whether instances answered recently, by address. */
  readonly #answers = new Map<
    string,
    { readonly until: number; readonly answers: Promise<boolean> }
  >();

  constructor(options: InstanceCallsOptions) {
    this.#options = options;
  }

  /**
   * Without encryption the port of an instance accepts no joins, so its keys
   * name no instance.
   */
  keyHere(key: string): string {
    const { replicator: { instance }, relay } = this.#options;
    return relay.plaintext
      ? key
      : `${key}.${instance}.${this.#macOfKey(key, instance)}`;
  }

  async passOn(
    { conn, key, source, settle }: StrayEnd,
    stop: AbortSignal,
  ): Promise<string | undefined> {
    const { limits } = this.#options.relay;
    const maker = this.#makerOf(key);
    if (maker === undefined) return "unknown_key";
    const { instance, endpoint } = maker;
    const group = sharesOf(conn.remote, source);
    const place = { group, over: new AbortController() };
    const places = this.#passing.get(instance) ?? new Set();
    if (!this.#makesRoom(places, group)) return "too_many_tunnels";
    this.#passing.set(instance, places.add(place));
    const signal = AbortSignal.any([stop, place.over.signal]);
    try {
      const there = await this.#showKey(endpoint, { key, signal });
      if (there === undefined) return "elsewhere";
      try {
        settle();
      } catch (error) {
        there.close();
        throw error;
      }
      await splice(conn, there, {
        bufferBytes: limits.tunnelBufferBytes,
        idleMs: limits.tunnelIdleMs,
        signal,
      });
      return undefined;
    } finally {
      removeUnder(this.#passing, instance, place);
    }
  }

  /**
   * Whether there is a place for another end of `group`; ends one of a larger
   * group for it.
   */
  #makesRoom(places: Set<PassedEnd>, group: string): boolean {
    if (places.size < this.#options.relay.limits.clusterPassCount) return true;
    const sizes = new GroupSizes(places);
    const loser = placeToEvict(places, {
      own: sizes.of(group),
      sizeOf: (place) => sizes.of(place.group),
    });
    if (loser === undefined) return false;
    places.delete(loser);
    loser.over.abort();
    return true;
  }

  /** The other instance that made a key; `undefined` if it is not alive. */
  #makerOf(key: string): { instance: string; endpoint: Endpoint } | undefined {
    const { replicator } = this.#options;
    const [, random = "", instance = "", code = ""] = KEY_HERE.exec(key) ?? [];
    const isOurs = instance === replicator.instance;
    if (code === "" || isOurs) return undefined;
    if (!isSame(code, this.#macOfKey(random, instance))) return undefined;
    const address = replicator.addressOf(instance);
    const endpoint = address === undefined ? undefined : endpointIn(address);
    return endpoint && { instance, endpoint };
  }

  async #showKey(
    endpoint: Endpoint,
    { key, signal }: { key: string; signal: AbortSignal },
  ): Promise<Conn | undefined> {
    const { connectMs: timeoutMs } = this.#options.relay.limits;
    try {
      const conn = await dial(endpoint, { peer: null, timeoutMs, signal });
      try {
        const proof = this.#proofOf(key);
        const join = encodeMessage({ kind: "join", key, passed: true, proof });
        await writeAll(conn, join);
        return conn;
      } catch (error) {
        conn.close();
        throw error;
      }
    } catch (error) {
      if (!signal.aborted && isBug(error)) throw error;
      return undefined;
    }
  }

  async openThere(
    { id, at }: { readonly id: string; readonly at: string },
    from: Endpoint,
  ): Promise<Travelling<"relayToInstance">> {
    const { plaintext, limits } = this.#options.relay;
    const elsewhere = refusal("elsewhere", `the node is attached to ${at}`);
    const endpoint = endpointIn(at);
    if (plaintext || endpoint === undefined) return elsewhere;
    using place = await this.#placesAt(at)
      .take(sharesOf(from), limits.clusterCallWaitMs);
    if (place === undefined) {
      return refusal("too_many_tunnels", "too many tunnels are being opened");
    }
    try {
      return await this.#ask(endpoint, { id, from: from.host });
    } catch (error) {
      if (isBug(error)) throw error;
      return elsewhere;
    }
  }

  #placesAt(at: string): CallPlaces {
    const { limits } = this.#options.relay;
    const known = this.#calls.get(at);
    if (known !== undefined) return known;
    // An instance that was started again has another address, or the same one.
    const [oldest] = this.#calls.keys();
    if (this.#calls.size >= limits.clusterInstanceCount) {
      this.#calls.delete(oldest!);
    }
    const places = new CallPlaces(limits.clusterCallCount);
    this.#calls.set(at, places);
    return places;
  }

  answers(at: string): Promise<boolean> {
    const { limits } = this.#options.relay;
    const now = performance.now();
    for (const [other, { until }] of this.#answers) {
      if (until <= now) this.#answers.delete(other);
    }
    const known = this.#answers.get(at);
    if (known !== undefined) return known.answers;
    const answers = this.#isThere(at);
    const until = now + limits.clusterInstanceMs;
    this.#answers.set(at, { until, answers });
    return answers;
  }

  async #isThere(at: string): Promise<boolean> {
    const { plaintext, id, limits } = this.#options.relay;
    const endpoint = endpointIn(at);
    if (endpoint === undefined) return false;
    const timeoutMs = limits.connectMs;
    try {
      if (plaintext) {
        using _conn = await dial(endpoint, { peer: null, timeoutMs });
        return true;
      }
      const { conn, certificate } = await dialToLearn(endpoint, { timeoutMs });
      conn.close();
      return certificateId(certificate) === id;
    } catch (error) {
      if (isBug(error)) throw error;
      return isShortage(error); // that proves nothing about the instance
    }
  }

  async #ask(
    endpoint: Endpoint,
    { id, from }: Pick<MessageOf<"open">, "id" | "from">,
  ): Promise<Travelling<"relayToInstance">> {
    const { relay, replicator } = this.#options;
    const { limits } = relay;
    const { conn, certificate } = await dialToLearn(endpoint, {
      timeoutMs: limits.connectMs,
    });
    if (certificateId(certificate) !== relay.id) {
      conn.close();
      throw notAnInstance();
    }
    await using channel = new Channel(conn, {
      limits,
      writeStallMs: limits.controlWriteStallMs,
      idleMs: limits.connectMs,
    });
    using _deadline = channel.endOn(AbortSignal.timeout(limits.connectMs));
    const outcome = await greet(channel, { role: INSTANCE_ROLE });
    if (outcome.kind === "refused" || outcome.hello.nonce === undefined) {
      throw notAnInstance();
    }
    const request = { id, from };
    const proof = replicator.codeFor(openText(request, outcome.hello.nonce));
    await channel.send({ kind: "open", ...request, proof });
    const answer = await channel.receive(DIRECTION.relayToInstance);
    if (answer === null) throw notAnInstance();
    return answer;
  }

  isOfInstance(message: MessageOf<"open">, nonce: string): boolean {
    const { replicator } = this.#options;
    return isSame(message.proof, replicator.codeFor(openText(message, nonce)));
  }

  isPassed({ key, passed = false, proof = "" }: MessageOf<"join">): boolean {
    return passed && isSame(proof, this.#proofOf(key));
  }

  #proofOf(key: string): string {
    return this.#options.replicator.codeFor(`pass ${key}`);
  }

  #macOfKey(key: string, instance: string): string {
    return this.#options.replicator.codeFor(`key ${key} ${instance}`);
  }
}

/** The group that shares places; behind a local proxy, each peer by itself. */
function sharesOf(
  { host, port }: Endpoint,
  source: string = addressGroup(host),
): string {
  return isShared(source) ? `${host} ${port}` : source;
}

function openText(
  { id, from }: Pick<MessageOf<"open">, "id" | "from">,
  nonce: string,
): string {
  return `open ${nonce} ${id} ${from}`;
}

function isSame(a: string, b: string): boolean {
  const encoder = new TextEncoder();
  return isSameMac(encoder.encode(a), encoder.encode(b));
}

function notAnInstance(): ProtocolError {
  return new ProtocolError(
    "wrong_service",
    "Cannot call instance: another program answers",
  );
}
