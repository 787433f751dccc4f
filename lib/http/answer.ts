/**
 * An answer to an HTTP request, and the bytes of its head. Pure.
 *
 * @module
 */

/** A header field. */
export type Field = readonly [name: string, value: string];

/** A body that is made while it is sent. */
export interface BodyStream {
  /** Bytes, if they are known. */
  readonly length?: number;
  /**
   * The bytes in order; each part is valid until the next is asked for. Ended
   * early when the client disconnects.
   */
  parts(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /**
   * The connection of a client that reads nothing for this time is closed; by
   * default after the usual time.
   */
  readonly stallMs?: number;
  /** Ends the connection, before the body is whole. */
  readonly signal?: AbortSignal;
  /** Called when the body is no longer needed, also if no part was. */
  close?(): void;
}

/** An answer. */
export interface HttpAnswer {
  /** The status code. */
  readonly status: number;
  /** Header fields; those about the length and the connection are added. */
  readonly fields?: readonly Field[];
  /** The content. */
  readonly body?: string | Uint8Array | BodyStream;
  /** Whether the connection ends after it. */
  readonly closes?: boolean;
}

const WORDS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  206: "Partial Content",
  207: "Multi-Status",
  301: "Moved Permanently",
  303: "See Other",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  416: "Range Not Satisfiable",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** The words of a status code. */
export function wordsOf(status: number): string {
  return WORDS[status] ?? "Unknown";
}

/** How the body of an answer travels. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  /** In chunks: HTTP/1.1 only. */
  | { readonly kind: "chunked" }
  /** Until the connection ends. */
  | { readonly kind: "until_close" };

/** Parts of the head, in addition to the answer's own fields. */
export interface HeadOptions {
  readonly framing: Framing;
  /** Whether the connection stays open. */
  readonly keepsAlive: boolean;
}

// Characters that end a line, or must not be in one. Names come from strangers.
const UNSENDABLE = /[^\t\x20-\x7e]/g;

/**
 * The fields of every answer, errors too: browsers must not guess another type,
 * and other sites must not load it.
 */
const BASE_FIELDS: readonly Field[] = [
  ["X-Content-Type-Options", "nosniff"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
];

/** The head of an answer, with the empty line at its end. */
export function headOf(
  { status, fields = [] }: HttpAnswer,
  { framing, keepsAlive }: HeadOptions,
): string {
  const lines = [`HTTP/1.1 ${status} ${wordsOf(status)}`];
  for (const [name, value] of [...fields, ...BASE_FIELDS]) {
    lines.push(`${name}: ${value.replace(UNSENDABLE, "_")}`);
  }
  if (framing.kind === "length") lines.push(`Content-Length: ${framing.bytes}`);
  if (framing.kind === "chunked") lines.push("Transfer-Encoding: chunked");
  lines.push(`Connection: ${keepsAlive ? "keep-alive" : "close"}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** An answer of a line of plain text. */
export function plainAnswer(
  status: number,
  text: string = wordsOf(status),
  fields: readonly Field[] = [],
): HttpAnswer {
  return {
    status,
    fields: [["Content-Type", "text/plain; charset=utf-8"], ...fields],
    body: `${text}\n`,
  };
}
