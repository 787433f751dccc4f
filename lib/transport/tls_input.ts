/**
 * Bounds what a TLS socket of a server takes from its peer: it stops reading
 * while nobody takes what it has read, and ends if the peer sends too many
 * records without content.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import { addressGroup, withoutMapping } from "../base/address.ts";
import { ProtocolError } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";
import {
  afterEmptyBytes,
  emptyBytesIn,
  EmptyRecordGroups,
} from "../guard/empty_records.ts";

/** The system's side of a socket, as far as reading goes. */
interface Handle {
  readStart(): number;
  readStop(): number;
  /** Bytes so far; those of a TLS socket are content. */
  getBytesRead(): number;
}

/** One of a TLS socket, above the one that it reads from. */
interface TlsHandle extends Handle {
  readonly _parent?: Handle | null;
  readonly _owner?: TLSSocket | null;
  /** Takes bytes that the peer sent. */
  receive(bytes: Uint8Array): void;
  /** Empty bytes so far, when they were last counted. */
  emptyBytes: number;
  /** When they are paid for. */
  paidAt: number;
  /** The group that counts the peer, if it is not that of the socket. */
  source?: string;
}

/**
 * Makes `tls` stop reading from its socket while nobody takes what it has read,
 * and end if its peer sends too many records without content. Deno 2.9.6 stops
 * only the passing on: a peer that writes 100 MB a second to a server that does
 * not read then takes 90 MB of its memory a second.
 *
 * @param host the peer's address
 * @param source the group that counts it; by default that of its address
 */
export function guardInput(
  tls: TLSSocket,
  host: string,
  source?: string,
): void {
  const { _handle: handle } = tls as TLSSocket & { _handle?: TlsHandle | null };
  if (!handle) return; // gone already
  guarded ??= guardedOver(Object.getPrototypeOf(handle) as TlsHandle);
  Object.setPrototypeOf(handle, guarded);
  if (source !== undefined) handle.source = source;
  else if (host !== withoutMapping(tls.remoteAddress ?? "")) {
    handle.source = addressGroup(host);
  }
}

const GROUPS = new EmptyRecordGroups(LIMITS);

/** Shared by all connections: properties of each take memory of idle ones. */
let guarded: TlsHandle | undefined;

// More than a handshake has, so that idle connections get no property.
const COUNTED_BYTES = 4 * 1024;

function guardedOver(own: TlsHandle): TlsHandle {
  return Object.assign(Object.create(own), {
    emptyBytes: 0,
    paidAt: 0,
    readStart(this: TlsHandle): number {
      this._parent?.readStart();
      return own.readStart.call(this);
    },
    readStop(this: TlsHandle): number {
      this._parent?.readStop();
      return own.readStop.call(this);
    },
    receive(this: TlsHandle, bytes: Uint8Array): void {
      if (this._owner?.destroyed) return;
      own.receive.call(this, bytes);
      if (this._owner?.destroyed || !this._parent) return;
      countEmptyBytes(this, this._parent);
    },
  });
}

function countEmptyBytes(handle: TlsHandle, parent: Handle): void {
  const encrypted = parent.getBytesRead();
  const emptyBytes = emptyBytesIn(encrypted, handle.getBytesRead());
  const more = emptyBytes - handle.emptyBytes;
  if (Math.abs(more) < COUNTED_BYTES) return;
  handle.emptyBytes = emptyBytes;
  const now = performance.now();
  const counting = { now, limits: LIMITS };
  const paidAt = afterEmptyBytes(handle.paidAt, more, counting);
  const source = handle.source ??
    addressGroup(handle._owner?.remoteAddress ?? "");
  if (paidAt === undefined || !GROUPS.add(source, more, now)) {
    handle._owner?.destroy(tooEmpty());
  } else handle.paidAt = paidAt;
}

function tooEmpty(): ProtocolError {
  return new ProtocolError(
    "rate_limited",
    "Cannot continue: the peer sends too many encrypted records without content",
  );
}
