/**
 * The frames that carry file bytes and the hashes of pieces. Their bodies are
 * the only ones that are not JSON. Numbers are big-endian.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import { HASH_BYTES } from "../base/hash.ts";
import { encodeFrame, FRAME_HEADER_BYTES, writeFrameHeader } from "./frame.ts";

/** The number of a frame of file bytes: `request[4] bytes[rest]`. */
export const DATA_FRAME_TYPE = 0x60;
/** The number of a frame that ends pieces: `request[4] sha256[32] …`. */
export const PIECES_FRAME_TYPE = 0x61;
/** Bytes of the request id at the head of either body. */
export const REQUEST_BYTES = 4;
/** Bytes of a data frame before the file's own. */
export const DATA_HEADER_BYTES = FRAME_HEADER_BYTES + REQUEST_BYTES;

/** File bytes are about to follow: `length` of them, for `request`. */
export interface DataFrame {
  /** Distinguishes this from the messages. */
  readonly kind: "data";
  /** The request these bytes answer. */
  readonly request: number;
  /** How many file bytes follow in this frame. */
  readonly length: number;
}

/** The answered request, and the hashes of its pieces one after the other. */
export interface PieceHashes {
  /** The request these pieces answer. */
  readonly request: number;
  /** SHA-256 of each piece since the last such frame. */
  readonly hashes: Uint8Array;
}

/** Writes the header of a data frame of `length` file bytes into `target`. */
export function writeDataHeader(
  target: Uint8Array,
  offset: number,
  data: { request: number; length: number },
): void {
  writeFrameHeader(target, offset, {
    type: DATA_FRAME_TYPE,
    length: data.length + REQUEST_BYTES,
  });
  new DataView(target.buffer, target.byteOffset + offset)
    .setUint32(FRAME_HEADER_BYTES, data.request);
}

/** The frame that ends pieces. */
export function encodePieces({ request, hashes }: PieceHashes): Uint8Array {
  const body = new Uint8Array(REQUEST_BYTES + hashes.length);
  new DataView(body.buffer).setUint32(0, request);
  body.set(hashes, REQUEST_BYTES);
  return encodeFrame(PIECES_FRAME_TYPE, body);
}

/**
 * Decodes the body of such a frame. The hashes are a view of it, not a copy.
 *
 * @throws {ProtocolError} `bad_message` if it holds no hash, or half of one.
 */
export function decodePieces(body: Uint8Array): PieceHashes {
  const length = body.length - REQUEST_BYTES;
  if (length < HASH_BYTES || length % HASH_BYTES !== 0) {
    throw new ProtocolError(
      "bad_message",
      `Cannot decode pieces: hashes must be a multiple of ${HASH_BYTES} bytes, ` +
        `found ${Math.max(0, length)}`,
    );
  }
  const view = new DataView(body.buffer, body.byteOffset);
  return { request: view.getUint32(0), hashes: body.subarray(REQUEST_BYTES) };
}
