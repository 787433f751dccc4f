/**
 * How a relay stores a listed node: it packs the signed record, and unpacks
 * exactly what it packed. It knows the content of an entry, not its lifetime.
 *
 * @module
 */

import { withoutMapping } from "../base/address.ts";
import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { Identity } from "../identity/identity.ts";
import { refusal } from "../protocol/hello.ts";
import type { MessageOf, SignedRecord } from "../protocol/messages.ts";
import { Packing } from "./packing.ts";
import {
  type OpenedRecord,
  readRegistration,
  signRegistration,
} from "../protocol/signed_record.ts";

/** The relay's own statements about a node. */
export interface Marks {
  /** Whether the node can be reached through the relay. */
  readonly tunnel?: boolean;
  /** The other instance of the relay that tunnels to it begin at. */
  readonly at?: string | undefined;
  /** Whether it is of the address group of the client that asks. */
  readonly near?: boolean;
}

// No entry has both, and this one is longer.
const EVERY_MARK: Marks = { tunnel: true };

/** A registration, with where it came from. */
export interface Sighting {
  /** The node's signed record. */
  readonly signed: SignedRecord;
  /** Indexes of its addresses whose host is the one that it came from. */
  readonly observed: readonly number[];
}

/** A record to list, and the host that its peer comes from. */
export interface Seen {
  readonly signed: SignedRecord;
  readonly addresses: readonly Endpoint[];
  readonly observedHost: string;
}

/** Packs a record for its listing, or refuses it. */
export function packSeen(
  { signed, addresses, observedHost }: Seen,
  { entries, limits }: {
    entries: Entries;
    limits: Limits;
  },
): { entry: string; listedBytes: number } | MessageOf<"refused"> {
  const observed = [...addresses.keys()].filter((index) =>
    withoutMapping(addresses[index]!.host) === observedHost
  );
  const most = limits.unobservedAddressCount;
  if (addresses.length - observed.length > most) {
    return refusal(
      "bad_address",
      `addresses: over ${most} at other hosts than the peer comes from`,
    );
  }
  const packed = entries.pack({ signed, observed });
  return packed.listedBytes > limits.listedEntryBytes
    ? refusal(
      "bad_record",
      `record: must list in ${limits.listedEntryBytes} bytes, ` +
        `found ${packed.listedBytes}`,
    )
    : packed;
}

/** Packs the entries of one relay. */
export class Entries {
  readonly #packing: Packing;

  private constructor(sample: readonly string[]) {
    this.#packing = new Packing(sample);
  }

  /**
   * Makes the entries of the relay `identity`. It signs a sample record to
   * compare others with.
   */
  static async of(identity: Identity): Promise<Entries> {
    const signed = await signRegistration({
      purpose: "register",
      relay: identity.id,
      nonce: new Uint8Array(32).toBase64(),
      instance: new Uint8Array(12).toBase64(),
      sequence: 1e12, // as many digits as a time in milliseconds
      name: "",
      addresses: [],
    }, identity);
    return new Entries(partsOf({ signed, observed: [0] }));
  }

  /** A record as it is stored, and its largest size on a page. */
  pack(sighting: Sighting): { entry: string; listedBytes: number } {
    const parts = partsOf(sighting);
    return {
      entry: this.#packing.pack(parts),
      listedBytes: listedText(parts, EVERY_MARK).length,
    };
  }

  /** The record in an entry, as the node signed it. */
  signedIn(entry: string): SignedRecord {
    return JSON.parse(this.listed(entry));
  }

  /** An entry as on a page: JSON text whose characters are bytes. */
  listed(entry: string, marks: Marks = {}): string {
    return listedText(this.#packing.unpack(entry), marks);
  }

  /**
   * The node's name. Reads no certificate, because thousands of leases may end
   * at once.
   */
  nameIn(entry: string): string {
    const [record = ""] = this.#packing.unpack(entry);
    const { name } = JSON.parse(JSON.parse(record)) as { name: string };
    return name;
  }

  /** The record in an entry; it was checked when it arrived. */
  registrationIn(entry: string): OpenedRecord {
    const verdict = readRegistration(JSON.parse(this.listed(entry)));
    if (verdict.kind === "refused") throw new TypeError(verdict.refusal.text);
    return verdict.registration;
  }
}

/** The parts of an entry, as texts whose characters are bytes. */
function partsOf(
  { signed: { record, certificate, signature }, observed }: Sighting,
): string[] {
  const places = observed.join(",");
  return [asciiJson(record), atob(certificate), atob(signature), places];
}

/** The parts as on a page: JSON text of one byte per character. */
function listedText(
  [record, certificate = "", signature = "", observed = ""]: string[],
  { tunnel = false, at, near = false }: Marks,
): string {
  return `{"record":${record},"certificate":"${btoa(certificate)}",` +
    `"signature":"${btoa(signature)}"` +
    (observed === "" ? "" : `,"observed":[${observed}]`) +
    (tunnel ? ',"tunnel":true' : "") +
    (at === undefined ? "" : `,"at":${JSON.stringify(at)}`) +
    (near ? ',"near":true}' : "}");
}

/**
 * JSON text whose characters are bytes, because pages are cut by counting
 * characters.
 */
function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
