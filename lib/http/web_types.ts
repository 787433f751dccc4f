/**
 * The options of the web server, and the requests that it passes to its
 * handler.
 *
 * @module
 */

import type { Endpoint } from "../base/conn.ts";
import type { Limits } from "../base/limits.ts";
import type { WebCertificate } from "../transport/accept.ts";
import type { HttpAnswer } from "./answer.ts";
import type { RequestHead } from "./request.ts";

/** A request, with its body. */
export interface WebRequest extends RequestHead {
  /** The body; empty for most requests. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The address of the client. */
  readonly remote: Endpoint;
  /** Aborted when the client disconnects, or the server ends. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode serveWeb}. */
export interface WebOptions {
  /** Address to bind and port; 0 lets the system pick. */
  readonly at: Endpoint;
  /** Encrypts with this certificate; without it, nothing is encrypted. */
  readonly tls?: WebCertificate | undefined;
  /** Answers a request. */
  readonly handle: (request: WebRequest) => Promise<HttpAnswer>;
  /** The numbers that bound connections. */
  readonly limits: Limits;
  /** Gets errors of this program; the client gets status 500. */
  readonly onError: (error: unknown) => void;
}
