/**
 * Answers of lying nodes. A node answers honestly unless a test replaces the
 * answer.
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
  sendData,
  sendPieces,
  sendRefusal,
  staySilent,
} from "./_evil_node.ts";

/** A piece to send, and the request that it answers. */
export interface PieceToSend {
  readonly message: MessageOf<"read">;
  readonly index: number;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, 64 hexadecimal digits. */
  readonly hash: string;
}

/** How a piece is sent. */
export type SendPiece = (channel: Channel, piece: PieceToSend) => Promise<void>;

/** Sends as an honest node does. */
export const sendHonestly: SendPiece = async (
  channel,
  { message, bytes, hash },
) => {
  await sendData(channel, message, bytes);
  await sendPieces(channel, message, hash);
};

/** Sends bytes that do not match their hash. */
export const sendWrongBytes: SendPiece = (channel, piece) => {
  const bytes = piece.bytes.slice();
  bytes[0] = bytes[0]! ^ 1;
  return sendHonestly(channel, { ...piece, bytes });
};

/** Sends another content with a matching hash. */
export const sendOtherContent: SendPiece = (channel, piece) => {
  const bytes = piece.bytes.slice();
  bytes[0] = bytes[0]! ^ 1;
  return sendHonestly(channel, {
    ...piece,
    bytes,
    hash: sha256(bytes).toHex(),
  });
};

/** Sends the right bytes with a wrong hash. */
export const sendWrongHash: SendPiece = (channel, piece) =>
  sendHonestly(channel, { ...piece, hash: "ab".repeat(32) });

/** Sends one byte less, with a matching hash. */
export const sendTooFew: SendPiece = (channel, piece) => {
  const bytes = piece.bytes.subarray(1);
  return sendHonestly(channel, {
    ...piece,
    bytes,
    hash: sha256(bytes).toHex(),
  });
};

/** Sends one byte more, with a matching hash. */
export const sendTooMany: SendPiece = (channel, piece) => {
  const bytes = new Uint8Array([...piece.bytes, 0]);
  return sendHonestly(channel, {
    ...piece,
    bytes,
    hash: sha256(bytes).toHex(),
  });
};

/** Sends bytes without end. */
export const sendEndless: SendPiece = async (channel, { message }) => {
  for (;;) {
    await sendData(channel, message, new Uint8Array(LIMITS.frameDataBytes));
  }
};

/** Sends `count` pieces honestly over all connections, then calls `then`. */
export function sendOnly(
  count: number,
  then: (channel: Channel, piece: PieceToSend) => Promise<void>,
): SendPiece {
  let sent = 0;
  return (channel, piece) =>
    ++sent > count ? then(channel, piece) : sendHonestly(channel, piece);
}

/** Closes the connection after some bytes of the piece. */
export const closeEarly = async (
  channel: Channel,
  { message, bytes }: PieceToSend,
): Promise<void> => {
  await sendData(channel, message, bytes.subarray(0, bytes.length >> 1));
  throw new Error("closes the connection");
};

/** Sends some bytes of the piece, then nothing. */
export const stall = async (
  channel: Channel,
  { message, bytes }: PieceToSend,
): Promise<void> => {
  await sendData(channel, message, bytes.subarray(0, bytes.length >> 1));
  await staySilent(channel);
};

/** The answers in which a node differs from an honest one. */
export interface Lies {
  readonly find?: Lie<MessageOf<"find">>;
  readonly browse?: Lie<MessageOf<"browse">>;
  readonly describe?: Lie<MessageOf<"describe">>;
  readonly read?: Lie<MessageOf<"read">>;
  readonly holding?: Lie<MessageOf<"holding">>;
  /** How pieces are sent. */
  readonly piece?: SendPiece;
  /** Whether it has not hashed its files, and names only their versions. */
  readonly unhashed?: boolean;
}

/** The honest answers of a node; only how pieces are sent comes from `lies`. */
class Answers {
  readonly #held: readonly DescribedBytes[];
  readonly #lies: Lies;

  constructor(held: readonly DescribedBytes[], lies: Lies) {
    this.#held = held;
    this.#lies = lies;
  }

  #fileOf(wanted: string): DescribedBytes | undefined {
    return this.#held.find(({ listed, manifest }) =>
      wanted === listed.version || wanted === manifest.contentId
    );
  }

  #listedAs(listed: ListedFile): ListedFile {
    const { content, ...rest } = listed;
    return this.#lies.unhashed || content === undefined ? rest : listed;
  }

  async find(channel: Channel, message: MessageOf<"find">): Promise<void> {
    const file = this.#held.find(({ listed }) => listed.name === message.name);
    if (file === undefined) {
      return await sendRefusal(channel, message, { code: "not_found" });
    }
    const { name: _, ...found } = this.#listedAs(file.listed);
    const sha256 = this.#lies.unhashed ? {} : { sha256: file.sha256 };
    const { request } = message;
    await channel.send({ kind: "found", request, ...found, ...sha256 });
  }

  async browse(
    channel: Channel,
    { request, prefix }: MessageOf<"browse">,
  ): Promise<void> {
    const files = this.#held.map(({ listed }) => this.#listedAs(listed))
      .filter(({ name }) => name.startsWith(prefix));
    await channel.send({ kind: "files", request, files, more: false });
  }

  async describe(
    channel: Channel,
    message: MessageOf<"describe">,
  ): Promise<void> {
    const file = this.#fileOf(message.of);
    if (file === undefined) return await sendRefusal(channel, message, GONE);
    await sendManifest(channel, message, file);
  }

  async read(channel: Channel, message: MessageOf<"read">): Promise<void> {
    const file = this.#fileOf(message.of);
    if (file === undefined) return await sendRefusal(channel, message, GONE);
    const pieceBytes = pieceBytesOf(file.bytes.length);
    for (let n = 0; n < message.count; n++) {
      const index = message.first + n;
      const bytes = file.bytes.subarray(
        index * pieceBytes,
        (index + 1) * pieceBytes,
      );
      const hash = file.manifest.hashOf(index);
      const send = this.#lies.piece ?? sendHonestly;
      await send(channel, { message, index, bytes, hash });
    }
  }

  /** Answers for each file as if it had been requested alone. */
  async readMany(
    channel: Channel,
    { request, of }: MessageOf<"readMany">,
  ): Promise<void> {
    for (const wanted of of) {
      const lie = this.#lies.read;
      if (lie === undefined && this.#fileOf(wanted) === undefined) {
        const text = "no such version is here now";
        await channel.send({ kind: "skipped", request, code: "gone", text });
        continue;
      }
      const read = { request, of: wanted, first: 0, count: 1 };
      const message = { kind: "read", ...read } as const;
      await (lie?.(channel, message) ?? this.read(channel, message));
    }
  }

  async holding(
    channel: Channel,
    message: MessageOf<"holding">,
  ): Promise<void> {
    const file = this.#fileOf(message.of);
    if (file === undefined) return await sendRefusal(channel, message, GONE);
    const { request } = message;
    await channel.send({ kind: "has", request, complete: true });
  }

  async offer(
    channel: Channel,
    { request }: MessageOf<"offer">,
  ): Promise<void> {
    await channel.send(refusal("not_wanted", "none are wanted", request));
  }
}

const GONE = { code: "gone" };

/** Answers honestly for these files, except for `lies`. */
export function honestExcept(
  files: Readonly<Record<string, Uint8Array>>,
  lies: Lies = {},
): Lie {
  const held = Object.entries(files).map(([name, bytes]) =>
    describeBytes(name, bytes)
  );
  const truth = new Answers(held, lies);
  return (channel, message) => {
    switch (message.kind) {
      case "find":
        return lies.find?.(channel, message) ?? truth.find(channel, message);
      case "browse":
        return lies.browse?.(channel, message) ??
          truth.browse(channel, message);
      case "describe":
        return lies.describe?.(channel, message) ??
          truth.describe(channel, message);
      case "read":
        return lies.read?.(channel, message) ?? truth.read(channel, message);
      case "readMany":
        return truth.readMany(channel, message);
      case "holding":
        return lies.holding?.(channel, message) ??
          truth.holding(channel, message);
      case "offer":
        return truth.offer(channel, message);
    }
  };
}

/** The bytes of a file with its hashes and its entry in a listing. */
export interface DescribedBytes {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly sha256: string;
  readonly listed: ListedFile;
}

/** What an honest node sends about a file. */
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

/** Sends the manifest of a file. */
export async function sendManifest(
  channel: Channel,
  message: Pick<ClientToNode, "request">,
  { manifest, sha256 }: Pick<DescribedBytes, "manifest" | "sha256">,
): Promise<void> {
  const { request } = message;
  const { size, contentId: content } = manifest;
  await channel.send({ kind: "manifest", request, size, content, sha256 });
  await sendData(channel, message, manifest.hashes);
}
