/**
 * Stores the lists of nodes in few bytes: names as UTF-8 and offers in fixed
 * records, outside of the heap, sorted at the end. A name and its offer take
 * about 130 bytes, where objects take 700. Pure.
 *
 * @module
 */

import { firstNotBefore } from "../base/collections.ts";
import type { Offer } from "../content/choice.ts";
import { compareNaturally, type NameBytes } from "../content/natural_order.ts";
import type { ListedFile } from "../protocol/messages.ts";
import { AT_ONCE, sortInRuns } from "./sorted_runs.ts";

/** The fields that all offers of one node share. */
export type Offerer = Omit<
  Offer,
  "size" | "modifiedMs" | "isExecutable" | "version" | "content" | "sha256"
>;

/** A name, with the nodes' offers under it. */
export interface CatalogueEntry {
  /** The name. */
  readonly name: string;
  /**
   * The offers, one for each node. If a node lists a name twice, its first
   * offer counts.
   */
  readonly offers: readonly Offer[];
}

/** A name that one node lists once, without the parts of its offer. */
export interface SoleEntry {
  readonly name: string;
  /** The node's id. */
  readonly node: string;
  readonly size: number;
  readonly modifiedMs: number;
}

const VERSION_BYTES = 16;
const CONTENT_BYTES = 32;
// size[8] modifiedMs[8] node[4] nameAt[4] nameLength[2] flags[1] …
const SIZE_AT = 0;
const TIME_AT = 8;
const NODE_AT = 16;
const NAME_AT = 20;
const LENGTH_AT = 24;
const FLAG_AT = 26;
const VERSION_AT = 28;
const CONTENT_AT = VERSION_AT + VERSION_BYTES;
const HAS_CONTENT = 1;
const IS_EXECUTABLE = 2;
const RECORD_BYTES = CONTENT_AT + CONTENT_BYTES;
// An index into the sorted order.
const ORDER_BYTES = 4;

const RECORDS_A_CHUNK = 8_192;
const NAMES_CHUNK_BYTES = 512 * 1024;
const VERSION = /^[0-9a-f]{32}$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Whether a catalogue can store a version. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** The files that nodes list. */
export class Catalogue implements Iterable<CatalogueEntry> {
  readonly #records: DataView<ArrayBuffer>[] = [];
  readonly #names: Uint8Array<ArrayBuffer>[] = [];
  #namesUsed = NAMES_CHUNK_BYTES;
  #count = 0;
  readonly #offerers: Offerer[] = [];
  readonly #numbers = new Map<string, number>();
  /** Records sorted by name. Equal names are in the order of arrival. */
  #sorted: Uint32Array | null = null;

  /** Number of listed files, including repetitions. */
  get count(): number {
    return this.#count;
  }

  /** Adds a file that a node lists; returns the bytes that it takes. */
  add(from: Offerer, file: ListedFile): number {
    const { name, size, modifiedMs, version, content, executable } = file;
    const { record, at } = this.#record(this.#count, { make: true });
    record.setFloat64(at + SIZE_AT, size);
    record.setFloat64(at + TIME_AT, modifiedMs);
    record.setUint32(at + NODE_AT, this.#numberOf(from));
    const place = this.#keep(name);
    record.setUint32(at + NAME_AT, place.at);
    record.setUint16(at + LENGTH_AT, place.length);
    const flags = (content === undefined ? 0 : HAS_CONTENT) |
      (executable ? IS_EXECUTABLE : 0);
    record.setUint8(at + FLAG_AT, flags);
    bytesOf(record, at + VERSION_AT, VERSION_BYTES).setFromHex(version);
    if (content !== undefined) {
      bytesOf(record, at + CONTENT_AT, CONTENT_BYTES).setFromHex(content);
    }
    this.#count++;
    this.#sorted = null;
    return RECORD_BYTES + ORDER_BYTES + place.length;
  }

  /**
   * What has been added so far, as a catalogue of its own. Both share what does
   * not change any more.
   */
  copy(): Catalogue {
    const copy = new Catalogue();
    for (const { buffer } of this.#records) {
      copy.#records.push(new DataView(buffer));
    }
    copy.#names.push(...this.#names);
    const [record, names] = [this.#records.at(-1), this.#names.at(-1)];
    if (record !== undefined && names !== undefined) {
      copy.#records[copy.#records.length - 1] = new DataView(
        record.buffer.slice(),
      );
      copy.#names[copy.#names.length - 1] = names.slice();
    }
    copy.#namesUsed = this.#namesUsed;
    copy.#count = this.#count;
    copy.#offerers.push(...this.#offerers);
    for (const [id, number] of this.#numbers) copy.#numbers.set(id, number);
    return copy;
  }

  /**
   * Adds the files in `other` of some nodes, by their ids. Pauses now and then.
   */
  *addingFrom(
    other: Catalogue,
    nodes: ReadonlySet<string>,
  ): Generator<void, void> {
    for (let index = 0; index < other.#count; index++) {
      if ((index + 1) % AT_ONCE === 0) yield;
      const from = other.#offererOf(index);
      if (!nodes.has(from.node)) continue;
      const { content, isExecutable, ...offer } = other.#offerOf(index);
      this.add(from, {
        ...{ ...offer, name: other.#nameOf(index) },
        ...content === undefined ? {} : { content },
        ...isExecutable ? { executable: true } : {},
      });
    }
  }

  #numberOf(from: Offerer): number {
    const known = this.#numbers.get(from.node);
    if (known !== undefined) return known;
    this.#numbers.set(from.node, this.#offerers.length);
    return this.#offerers.push(from) - 1;
  }

  /** Stores a name within one chunk. */
  #keep(name: string): { at: number; length: number } {
    if (this.#namesUsed + 3 * name.length > NAMES_CHUNK_BYTES) {
      this.#names.push(new Uint8Array(NAMES_CHUNK_BYTES));
      this.#namesUsed = 0;
    }
    const chunk = this.#names.at(-1)!;
    const target = chunk.subarray(this.#namesUsed);
    const { written: length } = encoder.encodeInto(name, target);
    const at = (this.#names.length - 1) * NAMES_CHUNK_BYTES + this.#namesUsed;
    this.#namesUsed += length;
    return { at, length };
  }

  #record(
    index: number,
    { make = false } = {},
  ): { record: DataView<ArrayBuffer>; at: number } {
    const chunk = Math.floor(index / RECORDS_A_CHUNK);
    if (make && chunk === this.#records.length) {
      const bytes = RECORDS_A_CHUNK * RECORD_BYTES;
      this.#records.push(new DataView(new ArrayBuffer(bytes)));
    }
    const at = (index % RECORDS_A_CHUNK) * RECORD_BYTES;
    return { record: this.#records[chunk]!, at };
  }

  /** Names in the order of their code points, each with its offers. */
  *[Symbol.iterator](): Generator<CatalogueEntry, void> {
    for (const at of this.places()) yield this.entryAt(at);
  }

  /** The places of all names, in order. Valid until more is added. */
  *places(): Generator<number, void> {
    const sorted = this.#sorted ??= this.#sort();
    for (let at = 0; at < sorted.length;) {
      yield at;
      const first = sorted[at]!;
      do at++; while (
        at < sorted.length && this.#compare(sorted[at]!, first) === 0
      );
    }
  }

  /** The name at a place, with its offers. */
  entryAt(place: number): CatalogueEntry {
    const sorted = this.#sorted!;
    const first = sorted[place]!;
    const offers: Offer[] = [this.#offerOf(first)];
    let seen: Set<string> | undefined; // most names have one offer
    for (let at = place + 1; at < sorted.length; at++) {
      const index = sorted[at]!;
      if (this.#compare(index, first) !== 0) break;
      seen ??= new Set([offers[0]!.node]);
      const { node } = this.#offererOf(index);
      // A node may list a name a million times.
      if (seen.has(node)) continue;
      seen.add(node);
      offers.push(this.#offerOf(index, { offer: offers[0]!, index: first }));
    }
    return { name: this.#nameOf(first), offers };
  }

  /** The places of all names, numbers in names by their values. */
  naturalPlaces(): Uint32Array {
    const places = Uint32Array.from(this.places());
    const sorted = this.#sorted!;
    const one = this.#nameBytes();
    const other = this.#nameBytes();
    // Places are in the order of code points, which decides between equals.
    const compare = (a: number, b: number) =>
      compareNaturally(
        this.#locate(sorted[a]!, one),
        this.#locate(sorted[b]!, other),
      ) || a - b;
    const steps = sortInRuns(places, compare);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  #nameBytes(): Mutable<NameBytes> {
    return { bytes: new Uint8Array(), start: 0, end: 0 };
  }

  /** Points `into` at the name of a record, without a new object. */
  #locate(index: number, into: Mutable<NameBytes>): NameBytes {
    const place = this.#placeOf(index);
    into.bytes = this.#names[Math.floor(place / NAMES_CHUNK_BYTES)]!;
    into.start = place % NAMES_CHUNK_BYTES;
    into.end = into.start + this.#lengthOf(index);
    return into;
  }

  /** The entry at a place, if one node lists the name and lists it once. */
  soleAt(place: number): SoleEntry | undefined {
    const sorted = this.#sorted!;
    const index = sorted[place]!;
    const next = sorted[place + 1];
    if (next !== undefined && this.#compare(next, index) === 0) {
      return undefined;
    }
    const { record, at } = this.#record(index);
    return {
      name: this.#nameOf(index),
      node: this.#offererOf(index).node,
      size: record.getFloat64(at + SIZE_AT),
      modifiedMs: record.getFloat64(at + TIME_AT),
    };
  }

  /**
   * Whether one of the offers at a place has a content, given as bytes. Makes no
   * object, because all places may be asked.
   */
  hasContentAt(place: number, content: Uint8Array): boolean {
    const sorted = this.#sorted!;
    const first = sorted[place]!;
    for (let at = place; at < sorted.length; at++) {
      const index = sorted[at]!;
      if (at > place && this.#compare(index, first) !== 0) return false;
      if (this.#hasContent(index, content)) return true;
    }
    return false;
  }

  #hasContent(index: number, content: Uint8Array): boolean {
    const { record, at } = this.#record(index);
    if ((record.getUint8(at + FLAG_AT) & HAS_CONTENT) === 0) return false;
    for (let n = 0; n < CONTENT_BYTES; n++) {
      if (record.getUint8(at + CONTENT_AT + n) !== content[n]) return false;
    }
    return true;
  }

  /** The name at a place. */
  nameAt(place: number): string {
    return this.#nameOf(this.#sorted![place]!);
  }

  /** The place of a name; `undefined` if no node lists it. */
  placeOf(name: string): number | undefined {
    const sorted = this.#sorted ??= this.#sort();
    const wanted = encoder.encode(name);
    const place = firstNotBefore(
      0,
      sorted.length,
      (at) => this.#compareWith(wanted, sorted[at]!) > 0,
    );
    const isThere = place < sorted.length &&
      this.#compareWith(wanted, sorted[place]!) === 0;
    return isThere ? place : undefined;
  }

  #compareWith(wanted: Uint8Array, index: number): number {
    const bytes = this.#bytesOfName(index);
    const length = Math.min(wanted.length, bytes.length);
    for (let at = 0; at < length; at++) {
      const difference = wanted[at]! - bytes[at]!;
      if (difference !== 0) return difference;
    }
    return wanted.length - bytes.length;
  }

  #sort(): Uint32Array {
    const steps = this.sorting();
    while (!steps.next().done);
    return this.#sorted!;
  }

  /**
   * Sorts the names, and pauses now and then, because 300,000 names take a
   * second. A read before the end sorts the rest at once.
   */
  *sorting(): Generator<void, void> {
    const indexes = new Uint32Array(this.#count);
    for (let n = 0; n < indexes.length; n++) indexes[n] = n;
    this.#sorted = yield* sortInRuns(
      indexes,
      (a, b) => this.#compare(a, b) || a - b,
    );
  }

  /**
   * Compares bytes, which is the order of code points. Makes no object, because
   * it runs very often.
   */
  #compare(a: number, b: number): number {
    const x = this.#placeOf(a);
    const y = this.#placeOf(b);
    const one = this.#names[Math.floor(x / NAMES_CHUNK_BYTES)]!;
    const other = this.#names[Math.floor(y / NAMES_CHUNK_BYTES)]!;
    const i = x % NAMES_CHUNK_BYTES;
    const j = y % NAMES_CHUNK_BYTES;
    const m = this.#lengthOf(a);
    const n = this.#lengthOf(b);
    const length = Math.min(m, n);
    for (let at = 0; at < length; at++) {
      const difference = one[i + at]! - other[j + at]!;
      if (difference !== 0) return difference;
    }
    return m - n;
  }

  #placeOf(index: number): number {
    return this.#records[Math.floor(index / RECORDS_A_CHUNK)]!
      .getUint32((index % RECORDS_A_CHUNK) * RECORD_BYTES + NAME_AT);
  }

  #lengthOf(index: number): number {
    return this.#records[Math.floor(index / RECORDS_A_CHUNK)]!
      .getUint16((index % RECORDS_A_CHUNK) * RECORD_BYTES + LENGTH_AT);
  }

  #nameOf(index: number): string {
    return decoder.decode(this.#bytesOfName(index));
  }

  #bytesOfName(index: number): Uint8Array<ArrayBuffer> {
    const place = this.#placeOf(index);
    const start = place % NAMES_CHUNK_BYTES;
    return this.#names[Math.floor(place / NAMES_CHUNK_BYTES)]!
      .subarray(start, start + this.#lengthOf(index));
  }

  #offererOf(index: number): Offerer {
    const { record, at } = this.#record(index);
    return this.#offerers[record.getUint32(at + NODE_AT)]!;
  }

  /** `like` is another offer; nodes with the same file share one hash string. */
  #offerOf(index: number, like?: { offer: Offer; index: number }): Offer {
    const { record, at } = this.#record(index);
    const hex = (from: number, length: number) =>
      bytesOf(record, at + from, length).toHex();
    const flags = record.getUint8(at + FLAG_AT);
    const content = (flags & HAS_CONTENT) === 0
      ? undefined
      : like !== undefined && this.#haveOneContent(index, like.index)
      ? like.offer.content
      : hex(CONTENT_AT, CONTENT_BYTES);
    return {
      ...this.#offererOf(index),
      size: record.getFloat64(at + SIZE_AT),
      modifiedMs: record.getFloat64(at + TIME_AT),
      ...(flags & IS_EXECUTABLE) !== 0 && { isExecutable: true as const },
      version: hex(VERSION_AT, VERSION_BYTES),
      content,
    };
  }

  /** Whether two offers have the same content id, or both none. */
  #haveOneContent(index: number, other: number): boolean {
    const [a, b] = [this.#record(index), this.#record(other)];
    const flagsDiffer = a.record.getUint8(a.at + FLAG_AT) ^
      b.record.getUint8(b.at + FLAG_AT);
    if ((flagsDiffer & HAS_CONTENT) !== 0) return false;
    for (let n = CONTENT_AT; n < CONTENT_AT + CONTENT_BYTES; n += 4) {
      if (a.record.getUint32(a.at + n) !== b.record.getUint32(b.at + n)) {
        return false;
      }
    }
    return true;
  }
}

function bytesOf(
  { buffer }: DataView<ArrayBuffer>,
  at: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, at, length);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
