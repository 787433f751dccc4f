/**
 * Opens links for people without a token: the link is their right. Only the
 * gateway's own relays are asked, at the addresses that the gateway was given,
 * whatever address a link names. Looking at a link uses up nothing.
 *
 * @module
 */

import { AccessFailure } from "../access/credentials.ts";
import type { FurtherRelay } from "../access/further_relay.ts";
import { type Link, parseLink, relaysOfLink } from "../access/link.ts";
import { addressGroup, type RelayAddress } from "../base/address.ts";
import { type Endpoint, formatEndpoint } from "../base/conn.ts";
import { Failure, isBug } from "../base/errors.ts";
import { Candidates } from "../client/candidates.ts";
import { Peers } from "../client/peers.ts";
import type { TransferOptions } from "../client/transfer_options.ts";
import {
  FileSource,
  type FileSourceOptions,
  type GatewayFile,
} from "./file_source.ts";
import {
  type LinkAttempt,
  LinkRejections,
  TooManyRejected,
} from "./link_rejections.ts";
import { type Press, Presses } from "./presses.ts";
import { RecentCounts } from "./recent.ts";

/** Options of {@linkcode LinkGate}. */
export interface LinkGateOptions extends Omit<FileSourceOptions, "lists"> {
  /** The gateway's client: its relays, and its token, which no link uses. */
  readonly client: TransferOptions;
}

/**
 * The client of a request: its address, and a signal for when it disconnects.
 */
export interface LinkClient {
  readonly remote: Endpoint;
  readonly signal: AbortSignal;
  /** The id that the page with the button sent, if any. */
  readonly page?: string | undefined;
}

/** The outcome of a request with a link. */
export type LinkVerdict<T> =
  | ({ readonly kind: "welcome" } & T)
  /** Too much at once, or in a minute: an HTTP status, and why. */
  | {
    readonly kind: "refused";
    readonly status: 409 | 429 | 503;
    readonly why: string;
  };

/** A file by a link. */
export interface LinkedFile {
  readonly file: GatewayFile;
  /** Ends the reading: the client disconnected, or pressed again. */
  readonly signal: AbortSignal;
  /** Called when all of it was sent: the next press is another use. */
  delivered(): void;
}

const TOO_MANY = "too many links from this address: try again in a minute";
const TOO_MANY_REJECTED = "too many links were rejected: try again in a minute";
const TOO_MANY_DOWNLOADS = "too many downloads by links: try again later";

const PRESSED_AGAIN = "the button was pressed again: see the newer download";

/** Relays of a link, with their passes. */
type Relays = readonly [FurtherRelay, ...FurtherRelay[]];

/** A download under way. */
interface Download {
  /** The group of the address that asked for it. */
  readonly source: string;
  /** Aborted when it is over. */
  readonly over: AbortSignal;
  readonly stack: AsyncDisposableStack;
  /** Whether it has ended because another address took its place. */
  isReplaced: boolean;
  close(): Promise<void>;
}

/** A use that will be spent. */
interface Redemption {
  /** The address that asks, and its link. */
  readonly attempt: LinkAttempt;
  /** Name of the file. */
  readonly name: string;
  readonly relays: Relays;
  readonly clientOf: (relays: Relays) => TransferOptions;
}

/** Looks at links, and opens them. Disposing ends what is under way. */
export class LinkGate implements AsyncDisposable {
  readonly #options: LinkGateOptions;
  readonly #counts = new RecentCounts();
  readonly #rejections: LinkRejections;
  /** Ids of the gateway's relays, by address. */
  readonly #ids = new Map<string, Promise<string>>();
  readonly #presses: Presses;
  /** Those under way, the newest at the end. */
  readonly #downloads = new Set<Download>();
  /** The last redemption. */
  #redeeming: Promise<void> = Promise.resolve();

  constructor(options: LinkGateOptions) {
    this.#options = options;
    this.#presses = new Presses(options.limits);
    this.#rejections = new LinkRejections(options.limits);
  }

  /**
   * Whether the gateway lists nothing that others could not: it has no token of
   * any relay. A missing part of a link proves nothing about its relay.
   */
  get listsForAll(): boolean {
    const { access, relays = [] } = this.#options.client;
    return access?.token === undefined &&
      relays.every(({ token }) => token === undefined);
  }

  /**
   * The content of a link, if it is for a relay of this gateway.
   *
   * @throws {Failure} of kind `usage` if it is not a link, or is for another
   * relay.
   */
  async look(
    text: string,
    { remote }: LinkClient,
  ): Promise<LinkVerdict<{ link: Link }>> {
    if (!this.#count(remote)) return refused(429, TOO_MANY);
    const link = parseLink(text);
    await this.#relaysOf(link);
    return { kind: "welcome", link };
  }

  /**
   * The file of a link, which spends one use, but not another one for the same
   * press. It is given up when the client disconnects.
   *
   * @throws {Failure} like {@linkcode look}, and like a fetch.
   */
  async open(
    text: string,
    { remote, signal, page }: LinkClient,
  ): Promise<LinkVerdict<LinkedFile>> {
    if (!this.#count(remote)) return refused(429, TOO_MANY);
    const link = parseLink(text);
    // Before anything ends for it.
    const relays = await this.#relaysOf(link);
    signal.throwIfAborted();
    const source = addressGroup(remote.host);
    const now = performance.now();
    const press = this.#presses.of(text, { id: page, group: source, now });
    press.end?.();
    if (!this.#makeRoom(source)) return refused(503, TOO_MANY_DOWNLOADS);
    const download = this.#begin(press, { source, signal });
    try {
      const attempt = { text, source };
      const { stack, over } = download;
      const request = { relays, press, attempt, stack, over };
      const file = await this.#fileOf(link, request);
      const delivered = () => this.#presses.delivered(press, performance.now());
      return { kind: "welcome", file, signal: download.over, delivered };
    } catch (error) {
      const isOver = download.over.aborted && !signal.aborted;
      await download.close();
      if (download.isReplaced) return refused(503, TOO_MANY_DOWNLOADS);
      if (isOver) return refused(409, PRESSED_AGAIN);
      if (error instanceof TooManyRejected) {
        return refused(429, TOO_MANY_REJECTED);
      }
      throw error;
    }
  }

  async #fileOf(
    link: Link,
    { relays, press, attempt, stack, over: signal }: {
      relays: Relays;
      press: Press;
      attempt: LinkAttempt;
      stack: AsyncDisposableStack;
      over: AbortSignal;
    },
  ): Promise<GatewayFile> {
    const { limits, emit, memory, hashers } = this.#options;
    const { name, content } = link;
    const isPrivate = relays.some(({ pass }) => pass !== undefined);
    const clientOf = this.#clientsFor(link, press);
    const client = clientOf(
      isPrivate
        ? await this.#redeemInTurn({ attempt, name, relays, clientOf }, signal)
        : relays,
    );
    signal.throwIfAborted();
    const source = stack.use(
      new FileSource({ client, emit, limits, memory, hashers }),
    );
    return await source.find(name, { content, signal });
  }

  /** Whether an address may ask once more. */
  #count({ host }: Endpoint): boolean {
    const now = performance.now();
    const source = addressGroup(host);
    const most = this.#options.limits.gatewayLinkCount;
    if (this.#counts.countOf(source, now) >= most) return false;
    this.#counts.note(source, now);
    return true;
  }

  /**
   * Whether one more may begin. If all places are taken, the newest download of
   * the address with most of them ends for an address with at least two fewer.
   */
  #makeRoom(source: string): boolean {
    const { gatewayLinkDownloadCount } = this.#options.limits;
    if (this.#downloads.size < gatewayLinkDownloadCount) return true;
    const groups = Map.groupBy(this.#downloads, (one) => one.source);
    const own = groups.get(source)?.length ?? 0;
    let most: readonly Download[] = [];
    for (const group of groups.values()) {
      if (group.length > most.length) most = group;
    }
    const loser = most.at(-1);
    if (loser === undefined || most.length < own + 2) return false;
    loser.isReplaced = true;
    void loser.close();
    return true;
  }

  /** A download: it is over when the client disconnects, or presses again. */
  #begin(
    press: Press,
    { source, signal }: { source: string; signal: AbortSignal },
  ): Download {
    const stack = new AsyncDisposableStack();
    const ending = new AbortController();
    const close = async () => {
      if (ending.signal.aborted) return;
      ending.abort(signal.reason);
      signal.removeEventListener("abort", onAbort);
      this.#downloads.delete(download);
      this.#presses.ended(press, performance.now());
      await stack.disposeAsync();
    };
    const onAbort = () => void close();
    const over = ending.signal;
    const download = { source, over, stack, isReplaced: false, close };
    this.#presses.begun(press, onAbort);
    this.#downloads.add(download);
    signal.addEventListener("abort", onAbort);
    return download;
  }

  /**
   * Spends uses one after the other, so that never too many are tried. None
   * is used up for a client that has disconnected meanwhile.
   */
  async #redeemInTurn(
    redemption: Redemption,
    signal: AbortSignal,
  ): Promise<Relays> {
    const redeemed = this.#redeeming.then(() => {
      signal.throwIfAborted();
      return this.#redeem(redemption);
    });
    this.#redeeming = redeemed.then(() => {}, () => {}); // thrown here
    return await redeemed;
  }

  /**
   * Spends the use. A relay that has rejected several links rejects the
   * gateway's token too, so the gateway pauses before that.
   *
   * @returns the relays, without those that reject the link.
   */
  async #redeem(
    { attempt, name, relays, clientOf }: Redemption,
  ): Promise<Relays> {
    const { emit } = this.#options;
    this.#rejections.check(attempt, performance.now());
    const client = clientOf(relays);
    const refusing = new Set<string>();
    const note = (error: unknown) => {
      if (!(error instanceof AccessFailure)) return false;
      if (error.code !== "unauthorized") return true;
      this.#rejections.note(attempt, performance.now());
      return true;
    };
    await using peers = new Peers(client, (event) => {
      const isRefused = event.event === "relay_failed" && note(event.error);
      // One that is late could refuse while the file is read.
      const isLate = event.event === "relay_late";
      if (isRefused || isLate) refusing.add(event.relay);
      if (!isRefused) emit(event);
    });
    try {
      // A relay shows whether it accepts a link only when it is asked something.
      await Candidates.of(peers, [{ kind: "name", name }], client);
    } catch (error) {
      note(error);
      throw error;
    }
    if (refusing.size === 0) this.#rejections.accepted(attempt);
    const [first, ...others] = relays.filter(({ address }) =>
      !refusing.has(formatEndpoint(address))
    );
    return first === undefined ? relays : [first, ...others];
  }

  /** Makes clients with the link as their only credential. */
  #clientsFor(
    link: Link,
    { fetch }: Press,
  ): (relays: Relays) => TransferOptions {
    const { relays: _, node: _node, ...client } = this.#options.client;
    const { name, content, sender } = link;
    return ([{ address: relay, pass }, ...others]) => ({
      ...client,
      ...{ relay, relays: others, content },
      ...sender === undefined ? {} : { sender },
      access: { link: { pass, name, fetch } },
    });
  }

  /**
   * The gateway's own relays that a link is for. The addresses in the link are a
   * stranger's word, and are never dialled.
   */
  async #relaysOf(link: Link): Promise<Relays> {
    const { relay, relays = [] } = this.#options.client;
    const own = [relay, ...relays.map(({ address }) => address)];
    const named = new Map(
      relaysOfLink(link).map(({ address: { id }, pass }) => [id, pass]),
    );
    const found: FurtherRelay[] = [];
    let failure: unknown;
    for (const address of own) {
      try {
        const id = await this.#idOf(address);
        if (!named.has(id)) continue;
        const pass = named.get(id);
        named.delete(id); // another address of the same relay
        found.push({
          address: { ...address, id },
          ...pass === undefined ? {} : { pass },
        });
      } catch (error) {
        if (isBug(error)) throw error;
        failure ??= error; // another one may be the right one
      }
      if (named.size === 0) break;
    }
    const [first, ...others] = found;
    if (first !== undefined) return [first, ...others];
    if (failure !== undefined) throw failure;
    throw new Failure("usage", {
      what: "Cannot use link",
      why: "it is for a relay that this gateway does not use",
      remedy: "ask the sender for a link to this gateway",
    });
  }

  #idOf(address: RelayAddress): Promise<string> {
    if (address.id !== undefined) return Promise.resolve(address.id);
    const key = formatEndpoint(address);
    const known = this.#ids.get(key) ?? this.#learn(address);
    this.#ids.set(key, known);
    known.catch(() => this.#ids.delete(key));
    return known;
  }

  async #learn(relay: RelayAddress): Promise<string> {
    const { client, emit } = this.#options;
    const further = client.relays?.find(({ address }) => address === relay);
    const { relays: _, ...alone } = client;
    await using peers = new Peers({
      ...{ ...alone, relay },
      ...further === undefined ? {} : { access: { token: further.token } },
    }, emit);
    const { channel, id } = await peers.askRelay();
    await channel[Symbol.asyncDispose]();
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#downloads].map((one) => one.close()));
    await this.#redeeming;
  }
}

function refused(status: 409 | 429 | 503, why: string) {
  return { kind: "refused", status, why } as const;
}
