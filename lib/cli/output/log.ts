/**
 * `--log`: writes a role's events to stderr as log lines instead of notes for
 * people. Shortens peers' addresses unless `--log-addresses` is given.
 *
 * @module
 */

import {
  addressGroup,
  isIpv4,
  isIpv6,
  isLoopback,
} from "../../base/address.ts";
import { describeCause, Failure } from "../../base/errors.ts";
import { escapeJson, show } from "../../base/text.ts";
import type { CommandLine } from "../options/command_line.ts";
import { wordedParts } from "./remedies.ts";

/** An event: a name and its fields. */
export interface LoggedEvent {
  readonly event: string;
}

/** Options of log lines. */
export interface LogOptions {
  /** The format. */
  readonly format: "json" | "text";
  /** Whether peers' addresses are complete. */
  readonly addresses: boolean;
  /** Lines of a lower level are not written. */
  readonly lowest: LogLevel;
}

/** The log options of a command line; `undefined` if there are none. */
export function parseLog(line: CommandLine): LogOptions | undefined {
  const format = line.get("log");
  if (format === undefined) return undefined;
  return {
    format,
    addresses: line.isOn("log-addresses"),
    lowest: line.isOn("quiet")
      ? "error"
      : line.isOn("debug")
      ? "debug"
      : "info",
  };
}

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** The level of a line, lowest first. */
export type LogLevel = (typeof LOG_LEVELS)[number];

const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ["renewed", "debug"],
  ["indexed", "debug"],
  ["refused", "warn"],
  ["connection_failed", "warn"],
  ["cluster", "warn"],
  ["relay_unverified", "warn"],
  ["relay_changed", "warn"],
  ["registration_failed", "warn"],
  ["withdraw_failed", "warn"],
  ["outdated", "error"],
  ["turned_away", "error"],
  ["accept_stalled", "error"],
  ["error", "error"],
]);

function levelOf(event: LoggedEvent): LogLevel {
  const isInTheClear = "encrypted" in event && event.encrypted === false;
  const isPublic = event.event === "metrics_listening" && "host" in event &&
    !isLoopback(String(event.host));
  return isInTheClear || isPublic ? "warn" : LEVELS.get(event.event) ?? "info";
}

/**
 * One line, without its line break, for an event at `now`; `undefined` if its
 * level is too low.
 */
export function formatLog(
  event: LoggedEvent,
  { options, now }: { options: LogOptions; now: Date },
): string | undefined {
  const level = levelOf(event);
  const { lowest } = options;
  if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(lowest)) return undefined;
  const { event: name, ...fields } = plain(event, options);
  const ts = now.toISOString();
  return options.format === "json"
    ? escapeJson(JSON.stringify({ ts, level, event: name, ...fields }))
    : [ts, level, name, ...pairsOf(fields, "")].join(" ");
}

// Fields that hold peers' addresses. All other addresses are the owner's own.
const PEER_FIELDS: ReadonlySet<string> = new Set(["from", "to", "addresses"]);

/** Fields for JSON: errors in words, addresses shortened if required. */
function plain(event: LoggedEvent, { addresses }: LogOptions): LoggedEvent {
  return JSON.parse(JSON.stringify(event, (key, value) => {
    if (value instanceof Failure) return wordedParts(value);
    if (value instanceof Error) return describeCause(value);
    if (addresses || !PEER_FIELDS.has(key)) return value;
    if (typeof value === "string") return shortenAddress(value);
    return Array.isArray(value)
      ? value.map((address) => shortenAddress(String(address)))
      : value;
  }));
}

/**
 * An address, with or without a port, reduced to its network: IPv4 without the
 * last number, IPv6 as its /56, a name without its first label. Loopback
 * addresses stay complete.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { shortenAddress } from "./log.ts";
 *
 * assertEquals(shortenAddress("192.0.2.7:1500"), "192.0.2.x:1500");
 * assertEquals(shortenAddress("[2001:db8:1:2ff::1]:15"), "[2001:db8:1:200::/56]:15");
 * assertEquals(shortenAddress("nas.home.example"), "x.home.example");
 * ```
 */
export function shortenAddress(text: string): string {
  const [, host = text, port = ""] = /^\[(.*)\](:\d+)?$/.exec(text) ??
    /^([^:]*)(:\d+)$/.exec(text) ?? [];
  const short = shortenHost(host);
  return text.startsWith("[") ? `[${short}]${port}` : short + port;
}

function shortenHost(host: string): string {
  if (isLoopback(host) || host.endsWith("/56")) return host;
  const group = addressGroup(host);
  if (isIpv4(group)) return group.replace(/\d+$/, "x");
  return isIpv6(host.split("%")[0]!) ? group : host.replace(/^[^.]*/, "x");
}

/** `name=value` for each field, also within objects. */
function pairsOf(fields: object, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? pairsOf(value, `${prefix}${name}.`)
      : [`${prefix}${name}=${wordOf(value)}`]
  );
}

/** A value as one word, in quotes if necessary. */
function wordOf(value: unknown): string {
  const text = show(Array.isArray(value) ? value.join(",") : String(value));
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
