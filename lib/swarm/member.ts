/**
 * One client's part in swarms: serves what it holds, stays listed at its relays
 * while it does, and finds the other holders of what it receives. The caller
 * dials them, and receives from them.
 *
 * @module
 */

import { ANY_HOST, isUnspecified } from "../base/address.ts";
import type { Limits } from "../base/limits.ts";
import type { SharedRate } from "../base/shared_rate.ts";
import type { PieceRun } from "../content/piece_set.ts";
import type { IncidentEvent } from "../guard/incidents.ts";
import { createIdentity } from "../identity/identity.ts";
import type { NodeSession } from "../transfer/session.ts";
import type { HolderEvent } from "../uplink/holder_lease.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";
import type { RelayDialer } from "../uplink/relay_dialer.ts";
import { HolderServer } from "./holder.ts";
import type { ClockWatch } from "../base/clock_watch.ts";
import { HolderSearch, type HolderSource } from "./holder_search.ts";
import { type HeldFile, Holding } from "./holding.ts";
import { HolderLeases } from "./leases.ts";
import { Offers } from "./offers.ts";
import { TakenOffers } from "./taken_offers.ts";

/** Options of {@linkcode SwarmMember.open}. */
export interface SwarmMemberOptions {
  /** Each connects to a relay that lists holders. */
  readonly dialers: readonly RelayDialer[];
  readonly plaintext: boolean;
  /** Address to bind; every address of the machine by default. */
  readonly host?: string;
  readonly limits: Limits;
  /** Reports when the machine has slept. */
  readonly clock?: Pick<ClockWatch, "wake"> | undefined;
  /** Limits everything that is sent to others. */
  readonly rate?: SharedRate | undefined;
  /** Opens a session with another holder. */
  readonly dial: (
    holder: ListedHolder,
    signal: AbortSignal,
  ) => Promise<NodeSession>;
  /** Returns a number from 0 to below 1; spreads what clients do. */
  readonly random?: () => number;
  readonly onEvent?: (event: HolderEvent | IncidentEvent) => void;
}

/** A content that is received and served. Disposing stops serving it. */
export interface SwarmContent extends Disposable {
  /** Whether all of it is here. */
  readonly isComplete: boolean;
  /** Pieces have been verified, and are on the disk. */
  saved(run: PieceRun): void;
}

/** Takes part in swarms. Disposing withdraws it, and ends all connections. */
export class SwarmMember implements AsyncDisposable {
  readonly #options: SwarmMemberOptions;
  /** The side of it that serves others. */
  readonly holder: HolderServer;
  readonly #leases: HolderLeases;
  readonly #stop = new AbortController();
  readonly #seeking = new Set<Promise<void>>();
  /** Offers of other clients, by content. */
  readonly #taken: Map<string, TakenOffers>;
  readonly #openedAt = performance.now();

  private constructor(
    options: SwarmMemberOptions,
    { holder, leases, taken }: {
      holder: HolderServer;
      leases: HolderLeases;
      taken: Map<string, TakenOffers>;
    },
  ) {
    this.#options = options;
    this.holder = holder;
    this.#leases = leases;
    this.#taken = taken;
  }

  /**
   * Listens under a key that is made for this process.
   *
   * @throws {Deno.errors} or an `E…` error if no port can be bound.
   */
  static async open(options: SwarmMemberOptions): Promise<SwarmMember> {
    const { plaintext, limits, rate, onEvent } = options;
    const identity = await createIdentity();
    const at = { host: options.host ?? ANY_HOST, port: 0 };
    const taken = new Map<string, TakenOffers>();
    const holder = await HolderServer.open({
      ...{ identity, plaintext, at, limits, rate },
      isPrivate: true,
      takeOffer: (offer, source) => taken.get(offer.of)?.take(offer, source),
      ...onEvent === undefined ? {} : { onEvent },
    });
    const { host, port } = holder.address;
    const leases = new HolderLeases(options.dialers, {
      serving: {
        identity,
        addressesFrom: (local) => [{
          host: isUnspecified(host) ? local.host : host,
          port,
        }],
        onGrantKeys: (given, relayId) => holder.setGrantKeys(given, relayId),
      },
      limits,
      clock: options.clock,
      ...onEvent === undefined ? {} : { onEvent },
    });
    return new SwarmMember(options, { holder, leases, taken });
  }

  /**
   * Serves a content from now on, and passes its other holders to `onSource`
   * until all of it is saved.
   */
  join(
    held: HeldFile,
    onSource: (found: HolderSource) => void,
  ): SwarmContent {
    const { limits, dial, random = Math.random } = this.#options;
    const { id } = this.holder;
    const content = held.manifest.contentId;
    const holding = new Holding(held, limits);
    const over = new AbortController();
    const offers = new Offers({
      ...{ content, id, limits, dial },
      isNeeded: (holder) => this.#isOutOfReachOf(holder),
      give: (channel) => this.holder.giveOver(channel, content),
    });
    const search = new HolderSearch({
      ...{ content, id, limits, dial, onSource, random },
      onMet: (holder) => offers.met(holder),
      mustOffer: () => this.#leases.isUnreached,
      request: this.#leases.holdersOf(content),
    });
    const isConnected = (other: string) => search.isConnected(other);
    const taken = new TakenOffers({ content, limits, isConnected, onSource });
    const complete = () => {
      if (!holding.isComplete) return;
      search.completed();
      taken.completed();
    };
    this.#taken.set(content, taken);
    this.holder.files.add(holding);
    this.#leases.hold(content, { isOpen: holding.isOpen });
    complete();
    this.#keep(search.run(AbortSignal.any([over.signal, this.#stop.signal])));
    return {
      get isComplete() {
        return holding.isComplete;
      },
      saved: (run) => {
        holding.gain(run);
        complete();
      },
      [Symbol.dispose]: () => {
        over.abort(new Error("this client no longer serves the content"));
        this.#leases.release(content);
        this.#taken.delete(content);
        taken[Symbol.dispose]();
        this.#keep(offers[Symbol.asyncDispose]());
        this.holder.files.remove(holding);
        holding[Symbol.dispose]();
      },
    };
  }

  /**
   * Whether a holder cannot dial this client. One behind the same router may,
   * although the relay cannot, unless nobody did.
   */
  #isOutOfReachOf(holder: ListedHolder): boolean {
    const { signed } = holder;
    if (!this.#leases.isUnreachedAt(holder)) return false;
    if (signed.near !== true) return true;
    const ms = performance.now() - this.#openedAt;
    const { swarmNearOfferMs } = this.#options.limits;
    return !this.holder.wasDialled && ms >= swarmNearOfferMs;
  }

  #keep(part: Promise<void>): void {
    const kept = part.finally(() => this.#seeking.delete(kept));
    this.#seeking.add(kept);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("this client has stopped taking part"));
    await Promise.all(this.#seeking);
    await this.#leases[Symbol.asyncDispose]();
    await this.holder[Symbol.asyncDispose]();
  }
}
