/**
 * The fixed records in which a catalogue stores files: fields, their places and
 * sizes. Pure.
 *
 * @module
 */

/** Bytes of a version. */
export const VERSION_BYTES = 16;
/** Bytes of a content id. */
export const CONTENT_BYTES = 32;
/** Where each field of a record begins. */
export const AT = {
  size: 0, // 8 bytes
  time: 8, // 8
  node: 16, // 4: the number of its node
  name: 20, // 4: the place of its name
  length: 24, // 2: bytes of the name
  flags: 26, // 1
  version: 28,
  content: 28 + VERSION_BYTES,
} as const;
/** The flag of a record with a content id. */
export const HAS_CONTENT = 1;
/** The flag of an executable file. */
export const IS_EXECUTABLE = 2;
/** Bytes of a record. */
export const RECORD_BYTES = AT.content + CONTENT_BYTES;
// An index into the sorted order.
const ORDER_BYTES = 4;

/** A name that one node lists once, without the parts of its offer. */
export interface SoleEntry {
  readonly name: string;
  /** The node's id. */
  readonly node: string;
  readonly size: number;
  readonly modifiedMs: number;
}

const VERSION = /^[0-9a-f]{32}$/;

/** Whether a record can store a version. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** The bytes that a file takes with a name of this many bytes. */
export function bytesOfFile(nameBytes: number): number {
  return RECORD_BYTES + ORDER_BYTES + nameBytes;
}

/** Some bytes of a record. */
export function bytesOf(
  { buffer }: DataView<ArrayBuffer>,
  at: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, at, length);
}

/** A record, and where it begins. */
export interface RecordPlace {
  readonly record: DataView;
  readonly at: number;
}

/** Whether a record has this content id, given as bytes. */
export function hasContent(
  { record, at }: RecordPlace,
  content: Uint8Array,
): boolean {
  if ((record.getUint8(at + AT.flags) & HAS_CONTENT) === 0) return false;
  for (let n = 0; n < CONTENT_BYTES; n++) {
    if (record.getUint8(at + AT.content + n) !== content[n]) return false;
  }
  return true;
}

/** Whether two records have the same content id, or both none. */
export function haveOneContent(a: RecordPlace, b: RecordPlace): boolean {
  const flagsDiffer = a.record.getUint8(a.at + AT.flags) ^
    b.record.getUint8(b.at + AT.flags);
  if ((flagsDiffer & HAS_CONTENT) !== 0) return false;
  for (let n = AT.content; n < AT.content + CONTENT_BYTES; n += 4) {
    if (a.record.getUint32(a.at + n) !== b.record.getUint32(b.at + n)) {
      return false;
    }
  }
  return true;
}
