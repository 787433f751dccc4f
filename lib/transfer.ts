/**
 * Moves one file over a channel, piece by piece, each piece followed by its
 * hash. The sender reads straight into the frame it sends; the receiver hands
 * out a piece only after it has matched its hash.
 *
 * @module
 */

import type { Channel } from "./channel.ts";
import { formatEndpoint } from "./conn.ts";
import { ProtocolError } from "./errors.ts";
import { createSha256, sha256 } from "./hash.ts";
import type { Limits } from "./limits.ts";
import { pieceCountOf, pieceLength } from "./manifest.ts";
import { DATA_HEADER_BYTES, DIRECTION, type MessageOf } from "./messages.ts";
import type { OpenedFile } from "./share.ts";

/** How sending a file ended. */
export type SendOutcome = "completed" | "changed";

/**
 * Sends all pieces of `opened` as the answer to `request`. Stops with `changed`,
 * before the hash that would vouch for it, at a piece that is no longer part of
 * the version that was opened.
 */
export async function sendFile(
  channel: Channel,
  opened: OpenedFile,
  { request, limits }: { request: number; limits: Limits },
): Promise<SendOutcome> {
  const { size } = opened.file;
  const buffer = new Uint8Array(DATA_HEADER_BYTES + limits.frameDataBytes);
  for (let index = 0; index < pieceCountOf(size); index++) {
    const hash = createSha256();
    let left = pieceLength(size, index);
    while (left > 0) {
      const most = Math.min(left, limits.frameDataBytes);
      const target = buffer.subarray(
        DATA_HEADER_BYTES,
        DATA_HEADER_BYTES + most,
      );
      const length = await opened.read(target);
      if (length === null) return "changed"; // cut short
      hash.update(target.subarray(0, length));
      await channel.sendData(buffer, { request, length });
      left -= length;
    }
    if (!await opened.isUnchanged()) return "changed";
    const digest = hash.digest("hex");
    await channel.send({ kind: "piece", request, index, sha256: digest });
  }
  return "completed";
}

/** A piece that matched its hash. */
export interface ReceivedPiece {
  /** Tells it from a refusal. */
  readonly kind: "piece";
  /** Its place in the file. */
  readonly index: number;
  /** Its bytes; valid until the next piece is asked for. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its hash, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** The node will not go on. */
export interface ReceiveRefusal {
  /** Tells it from a piece. */
  readonly kind: "refused";
  /** The node's code. */
  readonly code: string;
  /** The node's words: a stranger's. */
  readonly text: string;
}

/**
 * Receives the pieces of a file of `size` bytes, in order. A refusal is the
 * last that comes.
 *
 * @throws {ProtocolError} `corrupt_piece` when a piece is not what its hash or
 * its length says, and whatever else the node does wrong.
 */
export async function* receiveFile(
  channel: Channel,
  { request, size }: { request: number; size: number },
): AsyncGenerator<ReceivedPiece | ReceiveRefusal> {
  const count = pieceCountOf(size);
  const buffer = new Uint8Array(count > 0 ? pieceLength(size, 0) : 0);
  for (let index = 0; index < count; index++) {
    const bytes = buffer.subarray(0, pieceLength(size, index));
    const end = await receivePiece(channel, bytes, { request, index });
    if (end.kind === "refused") {
      yield end;
      return;
    }
    const found = sha256(bytes).toHex();
    if (found !== end.sha256.toLowerCase()) {
      throw corrupt(channel, `piece ${index} does not match its hash`);
    }
    yield { kind: "piece", index, bytes, sha256: found };
  }
}

/** Fills `bytes` with one piece; returns what ended it. */
async function receivePiece(
  channel: Channel,
  bytes: Uint8Array,
  { request, index }: { request: number; index: number },
): Promise<MessageOf<"piece"> | ReceiveRefusal> {
  let filled = 0;
  for (;;) {
    const message = await channel.receiveOrData(DIRECTION.nodeToClient);
    if (message === null) {
      throw new ProtocolError("truncated", "Cannot receive: the node hung up");
    }
    if (message.kind === "refused") return message;
    if (message.kind === "found" || message.request !== request) {
      throw corrupt(channel, "an answer nobody asked for");
    }
    if (message.kind === "piece") {
      if (message.index === index && filled === bytes.length) return message;
      throw corrupt(
        channel,
        `piece ${index} must have ${bytes.length} bytes, found ${filled}`,
      );
    }
    const end = filled + message.length;
    if (end > bytes.length) {
      throw corrupt(channel, `piece ${index} is longer than ${bytes.length}`);
    }
    await channel.readData(bytes.subarray(filled, end));
    filled = end;
  }
}

function corrupt(channel: Channel, what: string): ProtocolError {
  const from = formatEndpoint(channel.conn.remote);
  return new ProtocolError(
    "corrupt_piece",
    `Cannot accept from ${from}: ${what}`,
  );
}
