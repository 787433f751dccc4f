/**
 * Writes items so that an instance accepts only those that an instance of the
 * same relay has written. Each item has a MAC with a key that derives from
 * the relay's private key, which the store does not have. Instances remove
 * items with another MAC from the store, so a later version with another form
 * must use other keys. Pure.
 *
 * head = kind " " id " " sequence " " until " " holder " " mark " " mac
 * body = mac " " text
 *
 * @module
 */

import { deriveKey, isSameMac, macOf, toBase64Url } from "../access/keys.ts";
import type { Item, ItemKey, ItemKind } from "./replicator.ts";

/** The part of an item that a renewal changes. */
export interface Head extends ItemKey, Pick<Item, "sequence"> {
  /** When it expires, in milliseconds of the store's clock. */
  readonly until: number;
  /** The instance that holds it. */
  readonly holder: string;
  readonly mark: HeadMark;
}

/** A flag in a head. */
export type HeadMark =
  | "-"
  /** The node is attached to the holder. */
  | "t"
  /** The item has ended. */
  | "w";

/** An instance's report about itself. */
export interface InstanceRecord {
  readonly instance: string;
  readonly until: number;
  /** `HOST:PORT`. */
  readonly address: string;
}

/** A head, and the MAC of the body: less than 512 bytes. */
export const SEAL_BYTES = 512;

/** 128 bits: nobody guesses a MAC. */
const CODE_BYTES = 16;
const HEAD =
  /^([nuh]) ([\w.-]{1,160}) (\d{1,16}) (\d{1,16}) ([\w-]{22}) ([-tw]) ([\w-]{22})$/;
const INSTANCE = /^([\w-]{22}) (\d{1,16}) ([\x21-\x7e]{1,80}) ([\w-]{22})$/;
const BODY = /^([\w-]{22}) ([^]*)$/;

/** Writes and checks the items of one relay. */
export class Sealing {
  readonly #key: Uint8Array;

  /** `secret` is the same in all instances, and known to nobody else. */
  constructor(secret: string) {
    this.#key = deriveKey(new TextEncoder().encode(secret), "cluster");
  }

  /** The text of a head. */
  formatHead(head: Head): string {
    const { kind, id, sequence, until, holder, mark } = head;
    const text = `${kind} ${id} ${sequence} ${until} ${holder} ${mark}`;
    return `${text} ${this.#macOf("head", text)}`;
  }

  /** The head in a text; `undefined` if no instance of this relay wrote it. */
  parseHead(line: string): Head | undefined {
    const [, kind, id, sequence, until, holder, mark, code] = HEAD.exec(line) ??
      [];
    if (code === undefined) return undefined;
    const text = line.slice(0, -1 - code.length);
    if (!this.#isCode("head", text, code)) return undefined;
    return {
      kind: kind as ItemKind,
      id: id!,
      sequence: Number(sequence),
      until: Number(until),
      holder: holder!,
      mark: mark as HeadMark,
    };
  }

  /** The text of a body. */
  formatBody(item: Pick<Item, "kind" | "id" | "sequence" | "body">): string {
    return `${this.#macOf("body", bodyText(item))} ${item.body}`;
  }

  /** The body in a text; `undefined` if it does not belong to the item. */
  parseBody(
    text: string,
    item: Pick<Item, "kind" | "id" | "sequence">,
  ): string | undefined {
    const [, code = "", body = ""] = BODY.exec(text) ?? [];
    const isRight = this.#isCode("body", bodyText({ ...item, body }), code);
    return isRight ? body : undefined;
  }

  /** The text of an instance. */
  formatInstance({ instance, until, address }: InstanceRecord): string {
    const text = `${instance} ${until} ${address}`;
    return `${text} ${this.#macOf("instance", text)}`;
  }

  /** The instance in a text; `undefined` if it did not write it. */
  parseInstance(line: string): InstanceRecord | undefined {
    const [, instance, until, address, code] = INSTANCE.exec(line) ?? [];
    if (code === undefined) return undefined;
    const text = line.slice(0, -1 - code.length);
    if (!this.#isCode("instance", text, code)) return undefined;
    return { instance: instance!, until: Number(until), address: address! };
  }

  /** A MAC for a text of any other kind. */
  codeFor(text: string): string {
    return this.#macOf("other", text);
  }

  #isCode(what: string, text: string, code: string): boolean {
    const encoder = new TextEncoder();
    const wanted = encoder.encode(this.#macOf(what, text));
    return isSameMac(wanted, encoder.encode(code));
  }

  #macOf(what: string, text: string): string {
    const code = macOf(this.#key, `relay-p2p cluster 1 ${what}\n`, text);
    return toBase64Url(code.subarray(0, CODE_BYTES));
  }
}

function bodyText(
  { kind, id, sequence, body }: Pick<
    Item,
    "kind" | "id" | "sequence" | "body"
  >,
): string {
  return `${kind} ${id} ${sequence}\n${body}`;
}
