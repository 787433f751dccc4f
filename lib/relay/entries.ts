/**
 * What a relay stores to list a node: the signed record, packed, and unpacked
 * exactly as it came. Knows the content of an entry, not its lifetime.
 *
 * @module
 */

import type { Identity } from "../identity/identity.ts";
import type { SignedRecord } from "../protocol/messages.ts";
import { Packing } from "./packing.ts";
import {
  type OpenedRecord,
  readRegistration,
  signRegistration,
} from "../protocol/signed_record.ts";

/** What a relay says of a node, beside the node's own words. */
export interface Marks {
  /** Whether it can be reached through the relay. */
  readonly tunnel?: boolean;
}

const EVERY_MARK: Marks = { tunnel: true };

/** A node as it was seen to register. */
export interface Sighting {
  /** Its own words. */
  readonly signed: SignedRecord;
  /** Which of its addresses are at the host it came from, by their place. */
  readonly observed: readonly number[];
}

/** Packs the entries of one relay. */
export class Entries {
  readonly #packing: Packing;

  private constructor(sample: readonly string[]) {
    this.#packing = new Packing(sample);
  }

  /** Those of the relay `identity`: it signs one to compare others with. */
  static async of(identity: Identity): Promise<Entries> {
    const signed = await signRegistration({
      purpose: "register",
      relay: identity.id,
      nonce: new Uint8Array(32).toBase64(),
      instance: new Uint8Array(12).toBase64(),
      sequence: 1e12, // as many digits as the time in milliseconds
      name: "",
      addresses: [],
    }, identity);
    return new Entries(partsOf({ signed, observed: [0] }));
  }

  /** A record as it is kept, and the most bytes it has on a page. */
  pack(sighting: Sighting): { entry: string; listedBytes: number } {
    const parts = partsOf(sighting);
    return {
      entry: this.#packing.pack(parts),
      listedBytes: listedText(parts, EVERY_MARK).length,
    };
  }

  /** An entry as a page has it: JSON text whose characters are bytes. */
  listed(entry: string, marks: Marks = {}): string {
    return listedText(this.#packing.unpack(entry), marks);
  }

  /** The node's name. Leases may end by the thousand: no certificate is read. */
  nameIn(entry: string): string {
    const [record = ""] = this.#packing.unpack(entry);
    const { name } = JSON.parse(JSON.parse(record)) as { name: string };
    return name;
  }

  /** What an entry says; it was checked when it came. */
  registrationIn(entry: string): OpenedRecord {
    const verdict = readRegistration(JSON.parse(this.listed(entry)));
    if (verdict.kind === "refused") throw new TypeError(verdict.refusal.text);
    return verdict.registration;
  }
}

/** What an entry holds, as texts whose characters are bytes. */
function partsOf(
  { signed: { record, certificate, signature }, observed }: Sighting,
): string[] {
  const places = observed.join(",");
  return [asciiJson(record), atob(certificate), atob(signature), places];
}

/** The parts as a page of the listing has them: JSON text of one byte a unit. */
function listedText(
  [record, certificate = "", signature = "", observed = ""]: string[],
  { tunnel = false }: Marks,
): string {
  return `{"record":${record},"certificate":"${btoa(certificate)}",` +
    `"signature":"${btoa(signature)}"` +
    (observed === "" ? "" : `,"observed":[${observed}]`) +
    (tunnel ? ',"tunnel":true}' : "}");
}

/** JSON text whose characters are bytes: pages are cut by counting them. */
function asciiJson(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
