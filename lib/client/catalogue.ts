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
import {
  AT,
  bytesOf,
  bytesOfFile,
  CONTENT_BYTES,
  HAS_CONTENT,
  hasContent,
  haveOneContent,
  IS_EXECUTABLE,
  RECORD_BYTES,
  type SoleEntry,
  VERSION_BYTES,
} from "./catalogue_record.ts";
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

const RECORDS_A_CHUNK = 8_192;
const NAMES_CHUNK_BYTES = 512 * 1024;
const NO_BYTES = new Uint8Array(0);
const NO_RECORDS = new DataView(NO_BYTES.buffer);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The files that nodes list. */
export class Catalogue implements Iterable<CatalogueEntry> {
  #records: DataView<ArrayBuffer>[] = [];
  #names: Uint8Array<ArrayBuffer>[] = [];
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
    record.setFloat64(at + AT.size, size);
    record.setFloat64(at + AT.time, modifiedMs);
    record.setUint32(at + AT.node, this.#numberOf(from));
    const place = this.#keep(name);
    record.setUint32(at + AT.name, place.at);
    record.setUint16(at + AT.length, place.length);
    const flags = (content === undefined ? 0 : HAS_CONTENT) |
      (executable ? IS_EXECUTABLE : 0);
    record.setUint8(at + AT.flags, flags);
    bytesOf(record, at + AT.version, VERSION_BYTES).setFromHex(version);
    if (content !== undefined) {
      bytesOf(record, at + AT.content, CONTENT_BYTES).setFromHex(content);
    }
    this.#count++;
    this.#sorted = null;
    return bytesOfFile(place.length);
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

  /**
   * Removes the files that `keeps` rejects. Calls it for each file in the order
   * of arrival, with the bytes that the file takes. Copies stay as they are.
   */
  filter(keeps: (from: Offerer, bytes: number) => boolean): void {
    const kept = new Catalogue();
    const name = this.#nameBytes();
    for (let index = 0; index < this.#count; index++) {
      const bytes = bytesOfFile(this.#lengthOf(index));
      if (keeps(this.#offererOf(index), bytes)) {
        kept.#addRecord(this.#record(index), this.#locate(index, name));
      }
      this.#free(index);
    }
    this.#records = kept.#records;
    this.#names = kept.#names;
    this.#namesUsed = kept.#namesUsed;
    this.#count = kept.#count;
    this.#sorted = null;
  }

  /** Frees what holds only this record and earlier ones. */
  #free(index: number): void {
    const names = Math.floor(this.#placeOf(index) / NAMES_CHUNK_BYTES);
    if (names > 0) this.#names[names - 1] = NO_BYTES;
    if ((index + 1) % RECORDS_A_CHUNK > 0) return;
    this.#records[Math.floor(index / RECORDS_A_CHUNK)] = NO_RECORDS;
  }

  /**
   * Adds a record of a catalogue that has the same numbers of nodes. Makes no
   * object for it: 300,000 would take seconds.
   */
  #addRecord(
    from: { record: DataView; at: number },
    { bytes, start, end }: NameBytes,
  ): void {
    const { record, at } = this.#record(this.#count, { make: true });
    for (let n = 0; n < RECORD_BYTES; n += 4) {
      record.setUint32(at + n, from.record.getUint32(from.at + n));
    }
    this.#require(end - start);
    const chunk = this.#names.at(-1)!;
    for (let n = start; n < end; n++) {
      chunk[this.#namesUsed + n - start] = bytes[n]!;
    }
    record.setUint32(at + AT.name, this.#take(end - start));
    this.#count++;
  }

  #numberOf(from: Offerer): number {
    const known = this.#numbers.get(from.node);
    if (known !== undefined) return known;
    this.#numbers.set(from.node, this.#offerers.length);
    return this.#offerers.push(from) - 1;
  }

  /** Stores a name within one chunk. */
  #keep(name: string): { at: number; length: number } {
    this.#require(3 * name.length);
    const target = this.#names.at(-1)!.subarray(this.#namesUsed);
    const { written: length } = encoder.encodeInto(name, target);
    return { at: this.#take(length), length };
  }

  /** Makes sure that so many bytes are free in the last chunk of names. */
  #require(bytes: number): void {
    if (this.#namesUsed + bytes <= NAMES_CHUNK_BYTES) return;
    this.#names.push(new Uint8Array(NAMES_CHUNK_BYTES));
    this.#namesUsed = 0;
  }

  /** Takes this many bytes there; returns where they are. */
  #take(length: number): number {
    const at = (this.#names.length - 1) * NAMES_CHUNK_BYTES + this.#namesUsed;
    this.#namesUsed += length;
    return at;
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
      size: record.getFloat64(at + AT.size),
      modifiedMs: record.getFloat64(at + AT.time),
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
      if (hasContent(this.#record(index), content)) return true;
    }
    return false;
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
      .getUint32((index % RECORDS_A_CHUNK) * RECORD_BYTES + AT.name);
  }

  #lengthOf(index: number): number {
    return this.#records[Math.floor(index / RECORDS_A_CHUNK)]!
      .getUint16((index % RECORDS_A_CHUNK) * RECORD_BYTES + AT.length);
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
    return this.#offerers[record.getUint32(at + AT.node)]!;
  }

  /** `like` is another offer; nodes with the same file share one hash string. */
  #offerOf(index: number, like?: { offer: Offer; index: number }): Offer {
    const { record, at } = this.#record(index);
    const hex = (from: number, length: number) =>
      bytesOf(record, at + from, length).toHex();
    const flags = record.getUint8(at + AT.flags);
    const content = (flags & HAS_CONTENT) === 0
      ? undefined
      : like !== undefined &&
          haveOneContent(this.#record(index), this.#record(like.index))
      ? like.offer.content
      : hex(AT.content, CONTENT_BYTES);
    return {
      ...this.#offererOf(index),
      size: record.getFloat64(at + AT.size),
      modifiedMs: record.getFloat64(at + AT.time),
      ...(flags & IS_EXECUTABLE) !== 0 && { isExecutable: true as const },
      version: hex(AT.version, VERSION_BYTES),
      content,
    };
  }
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
