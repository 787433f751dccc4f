/**
 * Finds out whether the first message of a TLS client has arrived completely,
 * before a TLS engine is started for it. Starting one costs 100 times as much.
 * The content of the message is not checked.
 *
 * @module
 */

/** The kind of the first bytes of a connection, so far. */
export type Beginning = "part of a client hello" | "client hello" | "other";

/**
 * All known clients send one record. Each record costs a read, even one of one
 * byte.
 */
const RECORD_COUNT = 16;
const RECORD_HEADER_BYTES = 5;
const RECORD_BYTES = 16 * 1024;
const HANDSHAKE = 0x16;
const MAJOR_VERSION = 3;
const MESSAGE_HEADER_BYTES = 4;
const CLIENT_HELLO = 1;

/**
 * Judges the first bytes of a connection by RFC 8446, sections 4 and 5.1. The
 * message may be spread over 16 records.
 */
export function beginningOf(bytes: Uint8Array): Beginning {
  const start: number[] = []; // of the message
  let count = 0;
  let recordCount = 0;
  for (let at = 0; at < bytes.length;) {
    const [type, major, _minor, high, low] = bytes.subarray(at);
    if (type !== HANDSHAKE || (major ?? MAJOR_VERSION) !== MAJOR_VERSION) {
      return "other";
    }
    if (high === undefined || low === undefined) break;
    const length = high * 256 + low;
    if (length === 0 || length > RECORD_BYTES) return "other";
    if (++recordCount > RECORD_COUNT) return "other";
    at += RECORD_HEADER_BYTES;
    const part = bytes.subarray(at, at + length);
    const missing = MESSAGE_HEADER_BYTES - start.length;
    if (missing > 0) start.push(...part.subarray(0, missing));
    count += part.length;
    if ((start[0] ?? CLIENT_HELLO) !== CLIENT_HELLO) return "other";
    const [, top, middle, bottom] = start;
    if (bottom !== undefined) {
      const body = (top! * 256 + middle!) * 256 + bottom;
      if (body > RECORD_BYTES) return "other";
      if (count >= MESSAGE_HEADER_BYTES + body) return "client hello";
    }
    at += length;
  }
  return "part of a client hello";
}
