/**
 * What evil nodes say, each in its own way. What they are not told to lie about
 * they say as an honest node does.
 */

import type { Channel } from "../lib/protocol/channel.ts";
import { HASH_BYTES, sha256 } from "../lib/base/hash.ts";
import { LIMITS } from "../lib/base/limits.ts";
import { refusal } from "../lib/protocol/hello.ts";
import {
  Manifest,
  pieceBytesOf,
  pieceCountOf,
} from "../lib/content/manifest.ts";
import type {
  ClientToNode,
  ListedFile,
  MessageOf,
} from "../lib/protocol/messages.ts";
import {
  type Lie,
  sayData,
  sayPieces,
  sayRefused,
  saysNothing,
} from "./_evil_node.ts";

/** A piece that is to be sent, and the request that it answers. */
export interface PieceToSend {
  readonly message: MessageOf<"read">;
  readonly index: number;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, 64 hexadecimal digits. */
  readonly hash: string;
}

/** How a piece is sent. */
export type SendPiece = (channel: Channel, piece: PieceToSend) => Promise<void>;

/** As an honest node does. */
export const sendTruly: SendPiece = async (
  channel,
  { message, bytes, hash },
) => {
  await sayData(channel, message, bytes);
  await sayPieces(channel, message, hash);
};

/** Other bytes than the hash is of. */
export const sendWrongBytes: SendPiece = (channel, piece) => {
  const bytes = piece.bytes.slice();
  bytes[0] = bytes[0]! ^ 1;
  return sendTruly(channel, { ...piece, bytes });
};

/** Other bytes, with their own hash. */
export const sendOtherContent: SendPiece = (channel, piece) => {
  const bytes = piece.bytes.slice();
  bytes[0] = bytes[0]! ^ 1;
  return sendTruly(channel, { ...piece, bytes, hash: sha256(bytes).toHex() });
};

/** The right bytes, with another hash. */
export const sendWrongHash: SendPiece = (channel, piece) =>
  sendTruly(channel, { ...piece, hash: "ab".repeat(32) });

/** A byte too few, with their own hash. */
export const sendTooFew: SendPiece = (channel, piece) => {
  const bytes = piece.bytes.subarray(1);
  return sendTruly(channel, { ...piece, bytes, hash: sha256(bytes).toHex() });
};

/** A byte too many, with their own hash. */
export const sendTooMany: SendPiece = (channel, piece) => {
  const bytes = new Uint8Array([...piece.bytes, 0]);
  return sendTruly(channel, { ...piece, bytes, hash: sha256(bytes).toHex() });
};

/** Bytes that never end. */
export const sendEndless: SendPiece = async (channel, { message }) => {
  for (;;) {
    await sayData(channel, message, new Uint8Array(LIMITS.frameDataBytes));
  }
};

/** Sends truly, up to `count` pieces on all connections; then does `then`. */
export function sendsOnly(
  count: number,
  then: (channel: Channel, piece: PieceToSend) => Promise<void>,
): SendPiece {
  let sent = 0;
  return (channel, piece) =>
    ++sent > count ? then(channel, piece) : sendTruly(channel, piece);
}

/** Hangs up, after some bytes of the piece. */
export const hangsUp = async (
  channel: Channel,
  { message, bytes }: PieceToSend,
): Promise<void> => {
  await sayData(channel, message, bytes.subarray(0, bytes.length >> 1));
  throw new Error("hangs up");
};

/** Sends some bytes of the piece, and then nothing more. */
export const stalls = async (
  channel: Channel,
  { message, bytes }: PieceToSend,
): Promise<void> => {
  await sayData(channel, message, bytes.subarray(0, bytes.length >> 1));
  await saysNothing(channel);
};

/** Where a node differs from an honest one. */
export interface Dishonesty {
  readonly find?: Lie<MessageOf<"find">>;
  readonly browse?: Lie<MessageOf<"browse">>;
  readonly describe?: Lie<MessageOf<"describe">>;
  readonly read?: Lie<MessageOf<"read">>;
  readonly holding?: Lie<MessageOf<"holding">>;
  /** How pieces are sent. */
  readonly piece?: SendPiece;
  /** Has not hashed its files: knows them by version alone. */
  readonly unhashed?: boolean;
}

/** A node with these files that is honest where `lies` has nothing else. */
export function honestBut(
  files: Readonly<Record<string, Uint8Array>>,
  lies: Dishonesty = {},
): Lie {
  const held = Object.entries(files).map(([name, bytes]) =>
    describeBytes(name, bytes)
  );
  const of = (wanted: string) =>
    held.find(({ listed, manifest }) =>
      wanted === listed.version || wanted === manifest.contentId
    );
  const listedAs = (listed: ListedFile): ListedFile => {
    const { content, ...rest } = listed;
    return lies.unhashed || content === undefined ? rest : listed;
  };
  const gone = { code: "gone" };
  const truth = {
    find: async (channel: Channel, message: MessageOf<"find">) => {
      const file = held.find(({ listed }) => listed.name === message.name);
      if (file === undefined) {
        return await sayRefused(channel, message, { code: "not_found" });
      }
      const { name: _, ...found } = listedAs(file.listed);
      const sha256 = lies.unhashed ? {} : { sha256: file.sha256 };
      const { request } = message;
      await channel.send({ kind: "found", request, ...found, ...sha256 });
    },
    browse: async (
      channel: Channel,
      { request, prefix }: MessageOf<"browse">,
    ) => {
      const listing = held.map(({ listed }) => listedAs(listed))
        .filter(({ name }) => name.startsWith(prefix));
      await channel.send({
        kind: "files",
        request,
        files: listing,
        more: false,
      });
    },
    describe: async (channel: Channel, message: MessageOf<"describe">) => {
      const file = of(message.of);
      if (file === undefined) return await sayRefused(channel, message, gone);
      await sayManifest(channel, message, file);
    },
    read: async (channel: Channel, message: MessageOf<"read">) => {
      const file = of(message.of);
      if (file === undefined) return await sayRefused(channel, message, gone);
      const pieceBytes = pieceBytesOf(file.bytes.length);
      for (let n = 0; n < message.count; n++) {
        const index = message.first + n;
        const bytes = file.bytes.subarray(
          index * pieceBytes,
          (index + 1) * pieceBytes,
        );
        const hash = file.manifest.hashOf(index);
        const send = lies.piece ?? sendTruly;
        await send(channel, { message, index, bytes, hash });
      }
    },
    holding: async (channel: Channel, message: MessageOf<"holding">) => {
      const file = of(message.of);
      if (file === undefined) return await sayRefused(channel, message, gone);
      const { request } = message;
      await channel.send({ kind: "has", request, complete: true });
    },
  };
  // What is asked for together is told like what is asked for alone.
  const readMany = async (channel: Channel, message: MessageOf<"readMany">) => {
    const { request } = message;
    for (const wanted of message.of) {
      const read = { request, of: wanted, first: 0, count: 1 };
      if (lies.read === undefined && of(wanted) === undefined) {
        const text = "no such version is here now";
        await channel.send({ kind: "skipped", request, code: "gone", text });
      } else {
        await (lies.read ?? truth.read)(channel, { kind: "read", ...read });
      }
    }
  };
  return (channel, message) => {
    switch (message.kind) {
      case "find":
        return (lies.find ?? truth.find)(channel, message);
      case "browse":
        return (lies.browse ?? truth.browse)(channel, message);
      case "describe":
        return (lies.describe ?? truth.describe)(channel, message);
      case "read":
        return (lies.read ?? truth.read)(channel, message);
      case "readMany":
        return readMany(channel, message);
      case "holding":
        return (lies.holding ?? truth.holding)(channel, message);
      case "offer": {
        const { request } = message;
        return channel.send(refusal("not_wanted", "none are wanted", request));
      }
    }
  };
}

/** Bytes, and all that can be said of them. */
export interface DescribedBytes {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly sha256: string;
  readonly listed: ListedFile;
}

/** All that an honest node says of a file. */
export function describeBytes(
  name: string,
  bytes: Uint8Array,
): DescribedBytes {
  const size = bytes.length;
  const pieceBytes = pieceBytesOf(size);
  const hashes = new Uint8Array(pieceCountOf(size) * HASH_BYTES);
  for (let index = 0; index < pieceCountOf(size); index++) {
    const from = index * pieceBytes;
    hashes.set(
      sha256(bytes.subarray(from, from + pieceBytes)),
      index * HASH_BYTES,
    );
  }
  const manifest = new Manifest(size, hashes);
  const whole = sha256(bytes).toHex();
  const version = sha256(new TextEncoder().encode(`${name} ${whole}`)).toHex()
    .slice(0, 32);
  const content = manifest.contentId;
  const listed = { name, size, modifiedMs: 1e12, version, content };
  return { bytes, manifest, sha256: whole, listed };
}

/** Says the manifest of a file. */
export async function sayManifest(
  channel: Channel,
  message: Pick<ClientToNode, "request">,
  { manifest, sha256 }: Pick<DescribedBytes, "manifest" | "sha256">,
): Promise<void> {
  const { request } = message;
  const { size, contentId: content } = manifest;
  await channel.send({ kind: "manifest", request, size, content, sha256 });
  await sayData(channel, message, manifest.hashes);
}
