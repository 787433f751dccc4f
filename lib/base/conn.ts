/**
 * The one interface between bytes and everything above them. `transport` makes
 * conns from sockets; tests make pairs of them in memory. Types and two helpers
 * only, no I/O of its own.
 *
 * @module
 */

/** A host name or IP literal (IPv6 without brackets) and a port. */
export interface Endpoint {
  /** Host name or IP literal. */
  readonly host: string;
  /** TCP port, 1 to 65535 (0 only where the system picks one). */
  readonly port: number;
}

/** How a client reaches a node: directly, or through the relay. */
export type Path = "direct" | "tunnel";

/** Gets a call when something can be read. */
export interface Sleeper {
  wake(): void;
}

/** A duplex stream of bytes to one peer. Disposing closes it. */
export interface Conn extends Disposable {
  /** The peer's end. */
  readonly remote: Endpoint;
  /** This end. */
  readonly local: Endpoint;
  /**
   * Reads at least one byte into `buffer`, and keeps no reference to it.
   *
   * @returns how many bytes were read, or `null` once the peer half-closed.
   * Rejects when the conn breaks or is closed meanwhile.
   */
  read(buffer: Uint8Array): Promise<number | null>;
  /**
   * Writes some of `bytes`, at least one, and resolves when the caller may use
   * the buffer again. Waiting for it is the backpressure.
   *
   * @returns how many bytes were taken.
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Tells the peer that no more bytes follow; reading continues. */
  closeWrite(): Promise<void>;
  /**
   * A number that rises while the peer sends, for conns whose reads may wait
   * for other reasons.
   */
  progress?(): number;
  /**
   * Bytes that it has moved so far, for conns of which the idlest may be closed.
   */
  readonly movedBytes?: number;
  /** Ends a waiting read with 0 bytes. With {@linkcode sleep}. */
  interrupt?(): void;
  /**
   * Calls `sleeper` once, when a read would not wait, for conns of which thousands
   * are idle. Nothing may read meanwhile.
   */
  sleep?(sleeper: Sleeper): void;
  /** Frees the conn at once; pending reads and writes reject. Idempotent. */
  close(): void;
}

/** Writes all of `bytes` to `conn`, in as many writes as it takes. */
export async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await conn.write(
      written === 0 ? bytes : bytes.subarray(written),
    );
  }
}

/**
 * Text of an endpoint, with brackets around IPv6.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatEndpoint } from "./conn.ts";
 *
 * assertEquals(formatEndpoint({ host: "::1", port: 1700 }), "[::1]:1700");
 * ```
 */
export function formatEndpoint(endpoint: Endpoint): string {
  const host = endpoint.host.includes(":")
    ? `[${endpoint.host}]`
    : endpoint.host;
  return `${host}:${endpoint.port}`;
}
