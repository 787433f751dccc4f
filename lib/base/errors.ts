/**
 * The errors that this project throws, and the one place that turns the
 * system's errors into words.
 *
 * - {@linkcode ProtocolError}: a peer broke the protocol. Its connection ends.
 * - {@linkcode Failure}: the program cannot do what its user asked for. It says
 *   what failed, where, why and what to do, and has the exit code. Some engines
 *   have a subclass of it, with more details for the caller.
 *
 * Misuse of the library throws the built-in `TypeError` and `RangeError`.
 * Expected refusals by a peer are values, not errors.
 *
 * @module
 */

import type { RemedyCode } from "./remedy_code.ts";
import { showWhole } from "./text.ts";

/** Stable codes for the ways in which a peer can break the protocol. */
export type ProtocolErrorCode =
  | "frame_too_large"
  | "truncated"
  | "bad_message"
  | "wrong_phase"
  | "unsupported_version"
  | "wrong_service"
  | "identity_mismatch"
  | "corrupt_piece"
  | "timed_out"
  | "idle"
  | "slow_consumer"
  | "rate_limited"
  | "grant_ended"
  | NoRoomCode;

/** Stable codes with which a peer says that it has no room for a connection. */
export type NoRoomCode =
  | "too_many_connections"
  | "too_many_connections_for_address";

/** A peer broke the protocol. Its connection cannot be used any more. */
export class ProtocolError extends Error {
  /** Always `ProtocolError`. */
  override readonly name = "ProtocolError";
  /** Which rule was broken; stable across versions, safe to match on. */
  readonly code: ProtocolErrorCode;

  /** Makes the error; `message` is `Cannot …: wanted before found`. */
  constructor(
    code: ProtocolErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The process exit code of each kind of failure. 0 is success. 1 is a bug: any
 * error that is not a {@linkcode Failure}.
 */
export const EXIT_CODE = {
  usage: 2,
  relay: 3,
  not_found: 4,
  undelivered: 5,
  corrupt: 6,
  not_allowed: 7,
  local: 8,
  interrupted: 130,
} as const;

/** The kind of a failure; it decides the exit code. */
export type FailureKind = keyof typeof EXIT_CODE;

/** Whether the user has stopped the program. */
export function isInterruption(error: unknown): error is Failure {
  return error instanceof Failure && error.kind === "interrupted";
}

/**
 * The kind of an error on this machine: `not_allowed` for a missing permission,
 * `local` for any other.
 */
export function localKindOf(error: unknown): "local" | "not_allowed" {
  return error instanceof Deno.errors.NotCapable ? "not_allowed" : "local";
}

/**
 * The parts of a {@linkcode Failure}, in the order in which they are printed.
 */
export interface FailureParts {
  /** The action that failed: `Cannot …`. */
  what: string;
  /** The relay, node, file or option it failed at. */
  where?: string;
  /** The cause, in words that a stranger to this project understands. */
  why: string;
  /** What to do about it. */
  remedy?: string;
  /**
   * What to do about it, if the words depend on how the program is used. The
   * message leaves it out.
   */
  remedyCode?: RemedyCode;
  /** The original error, for `--debug`. */
  cause?: unknown;
}

/** The program cannot do what its user asked for. The message is one line. */
export class Failure extends Error {
  /** Always `Failure`. */
  override readonly name = "Failure";
  /** Decides the exit code. */
  readonly kind: FailureKind;
  /** What failed, where, why and what to do, for `--json`. */
  readonly parts: Readonly<Omit<FailureParts, "cause">>;

  /** Joins the parts to a message of one line. */
  constructor(kind: FailureKind, parts: FailureParts) {
    const { cause, ...stated } = parts;
    super(formatFailure(stated), cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.parts = stated;
  }

  /** The process exit code for this failure. */
  get exitCode(): number {
    return EXIT_CODE[this.kind];
  }
}

function formatFailure(parts: FailureParts): string {
  const where = parts.where === undefined ? "" : ` (${parts.where})`;
  const remedy = parts.remedy === undefined ? "" : `; ${parts.remedy}`;
  return `${parts.what}${where}: ${parts.why}${remedy}`;
}

/**
 * Words for the errors of Deno and of Node's sockets, and of the protocol. They
 * leave out the path or address in the system's own text, which may hold a
 * stranger's bytes, and escape the text of a peer.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeCause } from "./errors.ts";
 *
 * assertEquals(
 *   describeCause(new Deno.errors.ConnectionRefused("tcp connect …")),
 *   "connection refused",
 * );
 * ```
 */
export function describeCause(error: unknown): string {
  if (error instanceof Failure) return error.message;
  if (error instanceof ProtocolError) return showWhole(error.message);
  const code = systemErrorCode(error);
  const known = code === undefined ? undefined : CAUSE_OF_CODE.get(code);
  if (known !== undefined) return known;
  for (const [name, words] of CAUSE_OF_CLASS) {
    if (error instanceof Error && error.name === name) return words;
  }
  if (error instanceof DOMException) return error.message;
  return error instanceof Error ? error.name : "unknown error";
}

/** The `E…` code of a system error, if it carries one. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  // Deno gives an error without a class or a code, and the system's words.
  if (error.message.startsWith(LOOKUP_FAILED)) {
    return error.message.includes("Temporary") ? "EAI_AGAIN" : "ENOTFOUND";
  }
  // For rare errors Deno gives only the system's number, at the end of the
  // text.
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  return Deno.build.os === "linux" && number !== undefined
    ? CODE_OF_NUMBER.get(Number(number))
    : undefined;
}

const LOOKUP_FAILED = "failed to lookup address information: ";

const CODE_OF_NUMBER: ReadonlyMap<number, string> = new Map([
  [4, "EINTR"],
  [5, "EIO"],
  [23, "ENFILE"],
  [24, "EMFILE"],
  [27, "EFBIG"],
  [28, "ENOSPC"],
  [30, "EROFS"],
  [31, "EMLINK"],
  [38, "ENOSYS"],
  [95, "EOPNOTSUPP"],
  [122, "EDQUOT"],
]);

/**
 * Whether `error` is a bug in this program, not a failure of the system, the
 * network or a peer.
 */
export function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError ||
    error instanceof ReferenceError;
}

/** Whether `error` says that no file descriptor was free. */
export function isShortage(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "EMFILE" || code === "ENFILE";
}

/** Whether `error` only says that the other side has disconnected. */
export function isDisconnect(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "ECONNRESET" || code === "EPIPE" ||
    (error instanceof Error && DISCONNECTS.has(error.name));
}

/** Whether the peer reported that it has no room for another connection. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof ProtocolError &&
    Object.hasOwn(NO_ROOM_TEXTS, error.code);
}

/** Whether the peer ended the connection, and may still be there. */
export function isEnded(error: unknown): boolean {
  return isNoRoom(error) || isDisconnect(error) ||
    (error instanceof ProtocolError && error.code === "truncated");
}

/** The words for each code, as sent. */
export const NO_ROOM_TEXTS: Readonly<Record<NoRoomCode, string>> = {
  ["too_many_connections"]: "it has too many connections",
  ["too_many_connections_for_address"]:
    "it has too many connections from this address",
};

/**
 * Whether `error` says that a program accepted the connection and then had no
 * room for it: it reported that, or closed it at once.
 */
export function isHangUp(error: unknown): boolean {
  const code = systemErrorCode(error);
  return isNoRoom(error) || code === "ECONNRESET" || code === "EPIPE" ||
    (error instanceof Error && HANG_UPS.has(error.name));
}

const HANG_UPS: ReadonlySet<string> = new Set([
  "ConnectionReset",
  "ConnectionAborted",
  "BrokenPipe",
  "UnexpectedEof",
]);

const DISCONNECTS: ReadonlySet<string> = new Set([
  "ConnectionReset",
  "ConnectionAborted",
  "BrokenPipe",
  "Interrupted",
  "BadResource",
  "NotConnected",
  "UnexpectedEof",
  "TunnelRefused",
]);

const CAUSE_OF_CODE: ReadonlyMap<string, string> = new Map([
  ["ENOSPC", "no space left on the disk"],
  ["EDQUOT", "disk quota exceeded"],
  ["EFBIG", "the file is too large for this disk"],
  ["EIO", "the disk reported an input/output error"],
  ["EROFS", "the disk is read-only"],
  ["EMFILE", "too many open files in this process"],
  ["ENFILE", "too many open files on this machine"],
  ["ECONNREFUSED", "connection refused"],
  ["ECONNRESET", "connection reset"],
  ["EPIPE", "the other side closed the connection"],
  ["EADDRINUSE", "the port is in use by another program"],
  ["EADDRNOTAVAIL", "that address is not one of this machine's"],
  ["EACCES", "permission denied by the system"],
  ["ENETUNREACH", "network unreachable"],
  ["EHOSTUNREACH", "host unreachable"],
  ["ETIMEDOUT", "no answer"],
  ["ENOTFOUND", "no such host name"],
  ["EAI_AGAIN", "its name could not be looked up: no network or no DNS server"],
  ["ENAMETOOLONG", "the name is too long for this disk"],
  ["ENOENT", "no such file or folder"],
  ["EEXIST", "already exists"],
  ["ENOTDIR", "not a folder"],
  ["EISDIR", "is a folder"],
  ["ELOOP", "a symbolic link is in its place"],
]);

const CAUSE_OF_CLASS: ReadonlyMap<string, string> = new Map([
  ["NotFound", "no such file or folder"],
  ["NotADirectory", "not a folder"],
  ["IsADirectory", "is a folder"],
  ["NotRegular", "it is not a regular file"],
  ["LinkToNothing", "it is a link to a file that does not exist"],
  ["AlreadyExists", "already exists"],
  ["PermissionDenied", "permission denied by the system"],
  ["NotCapable", "Deno did not give this process the permission"],
  ["ConnectionRefused", "connection refused"],
  ["ConnectionReset", "connection reset"],
  ["ConnectionAborted", "connection aborted"],
  ["BrokenPipe", "the other side closed the connection"],
  ["NotConnected", "the connection was closed"],
  ["Interrupted", "the connection was closed"],
  ["BadResource", "the connection was closed"],
  ["UnexpectedEof", "the other side closed the connection early"],
  ["AddrInUse", "the port is in use by another program"],
  ["AddrNotAvailable", "that address is not one of this machine's"],
  ["NetworkUnreachable", "network unreachable"],
  ["TimedOut", "no answer"],
  ["TimeoutError", "no answer in time"],
  ["AbortError", "stopped"],
]);

// Causes of causes; a loop among them must end.
const MOST_CAUSES = 8;
const FRAME = /^\s+at /;

/**
 * An error with its causes and stack traces, for `--debug`. Messages may hold a
 * peer's words: each is one escaped line.
 */
export function inspected(error: unknown): string {
  return linesOf(error, MOST_CAUSES).join("\n");
}

function linesOf(error: unknown, left: number): string[] {
  if (!(error instanceof Error)) return [showWhole(String(error))];
  const { name, message, stack = "", cause } = error;
  // The message is in the stack too, with line breaks as they are.
  const frames = stack.slice(stack.indexOf(message) + message.length)
    .split("\n")
    .filter((line) => FRAME.test(line));
  const inner = error instanceof AggregateError ? [...error.errors] : [];
  if (cause !== undefined) inner.push(cause);
  const code = "code" in error ? ` (${error.code})` : "";
  return [
    showWhole(`${name}${code}: ${message}`),
    ...frames.map(showWhole),
    ...left === 0 ? [] : inner.flatMap((one) => {
      const [first, ...rest] = linesOf(one, left - 1);
      return [`Caused by ${first}`, ...rest];
    }),
  ];
}
