/**
 * Several independent relays: a node registers with each, and a client asks
 * all. Each has its own identity, secret and nodes. Pure.
 *
 * @module
 */

import type { RelayAddress } from "../base/address.ts";
import { formatEndpoint } from "../base/conn.ts";
import { Failure } from "../base/errors.ts";
import type { Token } from "./token.ts";

/** One of several relays. */
export interface FurtherRelay {
  /** Its address. */
  readonly address: RelayAddress;
  /** Its token, if it is private. */
  readonly token?: Token;
  /** Its pass, if it is private, and a link of several relays is used. */
  readonly pass?: string;
}

/**
 * The first relay and the further ones, each once.
 *
 * @throws {Failure} of kind `usage` if there are too many.
 */
export function sideBySide(
  first: FurtherRelay,
  others: readonly FurtherRelay[] = [],
  { relaysCount }: { readonly relaysCount: number },
): FurtherRelay[] {
  const relays = new Map<string, FurtherRelay>();
  for (const relay of [first, ...others]) {
    const key = formatEndpoint(relay.address);
    if (!relays.has(key)) relays.set(key, relay);
  }
  if (relays.size > relaysCount) {
    throw new Failure("usage", {
      what: "Cannot use relays",
      why: `wanted at most ${relaysCount}, found ${relays.size}`,
      remedy: "give fewer",
    });
  }
  return [...relays.values()];
}
