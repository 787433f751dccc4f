/**
 * Finds this machine's address in the family that the relay is not reached by:
 * from a connection to the relay's other address, if its name has both. It is
 * closed at once, without a message.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { isIpv4, isIpv6, isLoopback } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import { isBug } from "../base/errors.ts";
import type { Limits } from "../base/limits.ts";
import { isGranted } from "../base/permission.ts";
import { within } from "../base/waiting.ts";
import { dial } from "../transport/dial.ts";

/** Options of {@linkcode OtherFamily}. */
export interface OtherFamilyOptions {
  readonly relay: Endpoint;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** All addresses of a name. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** This end of a connection. */
  readonly localOf?: (
    endpoint: Endpoint,
    options: { timeoutMs: number; signal: AbortSignal },
  ) => Promise<string>;
}

/** The way from one machine to one relay by its other family. */
export class OtherFamily {
  readonly #options: OtherFamilyOptions;
  /**
   * The network of this machine at the last look, and the time of that look.
   */
  #from = "";
  #lookedAt = -Infinity;
  /** The host of this end, if there is such a way. */
  local: string | undefined;

  constructor(options: OtherFamilyOptions) {
    this.#options = options;
  }

  /**
   * Looks, unless it has done so recently or the relay has one family only.
   * `from` is this end of the connection that there is. Waits a moment; what is
   * found later counts with the next renewal.
   */
  async look(from: string): Promise<void> {
    const { limits } = this.#options;
    const now = performance.now();
    const isFresh = from === this.#from &&
      now - this.#lookedAt < limits.reachCheckMs;
    // Beside its relay, this machine has no other address to offer.
    if (isFresh || isLoopback(from)) return;
    this.#from = from;
    this.#lookedAt = now;
    const looking = this.#find(from).catch((error) => {
      if (isBug(error)) throw error;
      return undefined; // no such way now
    }).then((local) => void (this.local = local));
    await within(looking, limits.otherFamilyMs);
  }

  async #find(from: string): Promise<string | undefined> {
    const { relay, limits, signal, resolve } = this.#options;
    const { localOf = localEnd } = this.#options;
    const host = await otherAddressOf(relay, from, resolve);
    if (host === undefined) return undefined;
    return await localOf({ host, port: relay.port }, {
      timeoutMs: limits.connectMs,
      signal,
    });
  }
}

/**
 * The address of a relay in the family that `from` is not of; `undefined` if its
 * name has none, or cannot be looked up.
 */
export async function otherAddressOf(
  { host }: Pick<Endpoint, "host">,
  from: string,
  resolve: (name: string) => Promise<readonly string[]> = addressesOf,
): Promise<string | undefined> {
  if (isIpv4(host) || isIpv6(host)) return undefined;
  // Otherwise Deno might ask for the permission at a terminal.
  if (!isGranted({ name: "net" })) return undefined;
  const isOther = isIpv4(from) ? isIpv6 : isIpv4;
  const found = await resolve(host).catch((error) => {
    if (isBug(error)) throw error;
    return [];
  });
  return found.find(isOther);
}

async function addressesOf(name: string): Promise<string[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => address);
}

async function localEnd(
  endpoint: Endpoint,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<string> {
  using conn = await dial(endpoint, { ...options, peer: null });
  return conn.local.host;
}
