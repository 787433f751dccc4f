/**
 * The address group of a holder, by which connections and offers are shared
 * out.
 *
 * @module
 */

import { addressGroup } from "../base/address.ts";
import { isShared } from "../guard/admission.ts";
import type { ListedHolder } from "../uplink/listed_holders.ts";

/**
 * The group that a holder's connections are counted in. Those at our own
 * address are machines of one office, and the nearest there are: each is a
 * group of its own.
 */
export function groupOf({ id, signed, addresses }: ListedHolder): string {
  const [first] = addresses;
  if (signed.near === true || first === undefined) return id;
  const group = addressGroup(first.host);
  return isShared(group) ? id : group;
}
