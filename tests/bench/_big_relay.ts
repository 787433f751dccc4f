/**
 * Very many peers of one relay, or of one Redis, from one process. They come
 * from addresses of their own in 127.0.0.0/8, so that the limits which hold for
 * one address are the default ones. Linux only: elsewhere those are not there.
 */

import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { type Conn, type Endpoint, writeAll } from "../../lib/base/conn.ts";
import { FRAME_HEADER_BYTES } from "../../lib/protocol/frame.ts";
import {
  createIdentity,
  hostnameOf,
  type Identity,
} from "../../lib/identity/identity.ts";
import { certificateId } from "../../lib/identity/identity.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageKind,
  type MessageOf,
} from "../../lib/protocol/messages.ts";
import { CODEC } from "../../lib/protocol/message_schemas.ts";
import { ALPN_PROTOCOL } from "../../lib/transport/dial.ts";
import { StreamConn } from "../../lib/transport/stream_conn.ts";
import { within } from "../_event_log.ts";

/** Where to dial, and how. */
export interface Target {
  readonly at: Endpoint;
  readonly plaintext: boolean;
}

/** Peers from one address: as many as may connect at once. */
export const PEERS_PER_HOST = 10;

/** The address that the `n`th peer comes from, `each` of them from one. */
export function hostOf(n: number, each: number): string {
  const index = Math.floor(n / each);
  return `127.1.${index >> 8}.${index & 0xff}`;
}

/** A conn that comes from `localAddress`. The other end is not verified. */
export async function dialFrom(
  localAddress: string,
  { at, plaintext }: Target,
): Promise<Conn> {
  const options: ConnectionOptions & { localAddress: string } = {
    ...at,
    localAddress,
    ALPNProtocols: [ALPN_PROTOCOL],
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  };
  const socket: Socket = plaintext
    ? connect({ ...at, localAddress })
    : connectTls(options);
  const conn = new StreamConn(socket, {
    remote: at,
    local: { host: localAddress, port: 0 },
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(plaintext ? "connect" : "secureConnect", resolve);
  socket.once("error", reject);
  socket.once(
    "close",
    () => reject(new Error("the other side closed the connection")),
  );
  try {
    await within(promise, "a connection");
  } catch (error) {
    socket.destroy();
    throw error;
  }
  if (plaintext) socket.setNoDelay(true);
  return conn;
}

/** Asks, and waits for the one answer; `isWhole` knows where it ends. */
export class Exchange {
  readonly conn: Conn;
  readonly #isWhole: (bytes: Uint8Array) => boolean;
  #buffer = new Uint8Array(512);

  constructor(conn: Conn, isWhole: (bytes: Uint8Array) => boolean) {
    this.conn = conn;
    this.#isWhole = isWhole;
  }

  /** The answer; valid until the next call. */
  async ask(request: Uint8Array): Promise<Uint8Array> {
    await writeAll(this.conn, request);
    return await this.read();
  }

  /** What comes unasked. */
  async read(): Promise<Uint8Array> {
    for (let length = 0;;) {
      if (length === this.#buffer.length) this.#grow();
      const read = await this.conn.read(this.#buffer.subarray(length));
      if (read === null) {
        throw new Error("the other side closed the connection");
      }
      length += read;
      const answer = this.#buffer.subarray(0, length);
      if (this.#isWhole(answer)) return answer;
    }
  }

  #grow(): void {
    const larger = new Uint8Array(4 * this.#buffer.length);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}

/** Whether the bytes are a whole frame. */
export function isFrame(bytes: Uint8Array): boolean {
  if (bytes.length < FRAME_HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return bytes.length >= FRAME_HEADER_BYTES + view.getUint32(1);
}

/** Throws unless the frame is of that kind. Reads no further. */
export function isOf(frame: Uint8Array, kind: "registered" | "nodes"): void {
  if (frame[0] !== CODEC[kind].type) messageIn(frame, kind);
}

/** The message that a frame holds, which must be of that kind. */
export function messageIn<Kind extends MessageKind>(
  frame: Uint8Array,
  kind: Kind,
): MessageOf<Kind> {
  const body = frame.subarray(FRAME_HEADER_BYTES);
  const message = decodeMessage({ type: frame[0]!, body }, [kind, "refused"]);
  if (message.kind !== kind) throw new Error(JSON.stringify(message));
  return message as MessageOf<Kind>;
}

/** Connects and greets; the relay's hello with it. */
export async function greetFrom(
  localAddress: string,
  target: Target,
  role: "node" | "client",
): Promise<{ exchange: Exchange; hello: MessageOf<"hello"> }> {
  const conn = await dialFrom(localAddress, target);
  const exchange = new Exchange(conn, isFrame);
  const hello: Message = { kind: "hello", protocol: 1, role };
  const answer = await exchange.ask(encodeMessage(hello));
  return { exchange, hello: messageIn(answer, "hello") };
}

const ECDSA = { name: "ECDSA", namedCurve: "P-256" };

/**
 * Makes identities in a tenth of the time. Their certificates are those that
 * nodes make but for the signature under them, which nobody here looks at.
 */
export async function identityMaker(): Promise<() => Promise<Identity>> {
  const model = await createIdentity();
  const keyAt = indexOf(model.certificate, KEY_HEADER) + KEY_HEADER.length;
  const name = new TextEncoder().encode(hostnameOf(model.id));
  const nameAt = indexOf(model.certificate, name);
  return async () => {
    const keys = await crypto.subtle.generateKey(ECDSA, true, [
      "sign",
      "verify",
    ]);
    const point = await crypto.subtle.exportKey("raw", keys.publicKey);
    const certificate = model.certificate.slice();
    certificate.set(new Uint8Array(point), keyAt);
    const id = certificateId(certificate)!;
    certificate.set(new TextEncoder().encode(id), nameAt);
    return {
      ...model,
      id,
      certificate,
      sign: async (bytes) =>
        new Uint8Array(
          await crypto.subtle.sign(
            { name: "ECDSA", hash: "SHA-256" },
            keys.privateKey,
            bytes,
          ),
        ),
    };
  };
}

/** What stands before the 65 bytes of a P-256 point in a certificate. */
const KEY_HEADER = Uint8Array.fromHex(
  "301306072a8648ce3d020106082a8648ce3d030107034200",
);

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  throw new Error("not in the certificate");
}
