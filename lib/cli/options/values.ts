/**
 * Parses the values of options. Each parser takes the text and the option's
 * name, and throws a {@linkcode Failure} of kind `usage` that names the option.
 *
 * @module
 */

import {
  parseEndpoint,
  parsePort,
  parseRelay,
  type RelayAddress,
} from "../../base/address.ts";
import type { Endpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { parseRate } from "../../base/rate.ts";
import type { ByteRange } from "../../content/section.ts";
import { show } from "../../base/text.ts";
import { isVersion } from "../../base/version.ts";
import type { SharedPath } from "../../share/shared_path.ts";

/** Parses the value of an option. */
export type ValueParser<Value> = (text: string, option: string) => Value;

/** The failure for an invalid value of an option. */
export function badValue(option: string, value: string, why: string): Failure {
  return new Failure("usage", {
    what: `Cannot use --${option}`,
    where: show(value),
    why,
  });
}

/** Only the options that were given: those that are not `undefined`. */
export function given<Options extends object>(options: Options): {
  [Name in keyof Options]?: Exclude<Options[Name], undefined>;
} {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as ReturnType<typeof given<Options>>;
}

/** A parser that accepts one of some words. */
export function oneOf<const Choices extends readonly string[]>(
  ...choices: Choices
): ValueParser<Choices[number]> {
  return (text, option) => {
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    const last = choices.at(-1);
    const others = choices.slice(0, -1).join(", ");
    throw badValue(option, text, `wanted ${others} or ${last}`);
  };
}

/** Values of an option that was given several times, a line each. */
export function lines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

/** A relay as `--relay` and a list of relays name it. */
export interface RelayEntry {
  readonly address: RelayAddress;
  /** The path of its token, if it has one of its own. */
  readonly tokenFile?: string;
}

/** Relays, a line each. */
export function relays(text: string): RelayEntry[] {
  return lines(text).map(relayLine);
}

/**
 * The address of a relay, and the path of its token if the relay is private.
 */
export function relayLine(text: string): RelayEntry {
  const [, word = "", tokenFile] = /^(\S+)(?:\s+(.+))?$/.exec(text.trim()) ??
    [];
  const address = parseRelay(word);
  return tokenFile === undefined ? { address } : { address, tokenFile };
}

/** A port; 0 lets the system pick one. */
export function port(text: string): number {
  return parsePort(text, { zero: true });
}

/** `HOST:PORT`; port 0 lets the system pick one. */
export function endpoint(text: string): Endpoint {
  return parseEndpoint(text, { zero: true });
}

/** Bytes a second. */
export function rate(text: string, option: string): number {
  const found = parseRate(text);
  if (found !== undefined) return found;
  throw badValue(
    option,
    text,
    "wanted bytes per second, such as 500K, 20M or 1G",
  );
}

/** A number of bytes, which may be 0. */
export function size(text: string, option: string): number {
  const bytes = /^0+$/.test(text) ? 0 : parseRate(text);
  if (bytes !== undefined) return bytes;
  throw badValue(option, text, "wanted bytes, such as 500K, 20M or 1G");
}

/** Bytes of a file: `A-B`, both included, `A-` to its end, or the last `-N`. */
export function byteRange(text: string, option: string): ByteRange {
  const [, from = "", to = ""] = /^(\d{0,15})-(\d{0,15})$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === "" && to !== "") return { tail: last };
  if (from !== "" && to === "") return { first };
  if (from !== "" && first <= last) return { first, last };
  throw badValue(
    option,
    text,
    "wanted bytes, such as 0-99, 100- or --range=-100",
  );
}

/** Seconds. */
export function duration(text: string, option: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  throw badValue(option, text, "wanted a time, such as 90s, 30m, 24h or 7d");
}

/** Seconds, or 0. */
export function durationOrNone(text: string, option: string): number {
  return /^0+[smhd]?$/.test(text) ? 0 : duration(text, option);
}

/** The seconds for which a link is valid. */
export function linkDuration(text: string, option: string): number {
  const seconds = duration(text, option);
  if (seconds <= LIMITS.linkSeconds) return seconds;
  const most = formatDuration(LIMITS.linkSeconds);
  throw badValue(option, text, `a link is valid for ${most} at most`);
}

/** The number of fetches that a link allows. */
export function uses(text: string, option: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= LIMITS.linkUsesCount) return count;
  throw badValue(option, text, `wanted 1 to ${LIMITS.linkUsesCount}`);
}

/** The number of connections to each node. */
export function connections(text: string, option: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 16) return count;
  throw badValue(option, text, "wanted a number from 1 to 16");
}

/** The number of levels of folders to list. */
export function depth(text: string, option: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= LIMITS.nameDepthCount) return count;
  throw badValue(option, text, `wanted 1 to ${LIMITS.nameDepthCount} levels`);
}

/** A SHA-256, in lower case. */
export function sha256(text: string, option: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw badValue(option, text, "wanted 64 hexadecimal digits");
}

/** Words that a relay shows to people. */
export function words(text: string, option: string): string {
  if (text.length <= LIMITS.greetingCount) return text;
  throw badValue(
    option,
    text,
    `wanted at most ${LIMITS.greetingCount} characters, found ${text.length}`,
  );
}

/** The address of a gateway, with a slash at its end. */
export function gatewayUrl(text: string, option: string): string {
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
  const isPlain = url !== null && !/[?#]/.test(text) && url.username === "" &&
    url.password === "";
  if (isPlain) return url.href.replace(/\/?$/, "/");
  throw badValue(
    option,
    text,
    "wanted the address of a gateway, such as https://files.example.org:8443/",
  );
}

/** A version of the program. */
export function version(text: string, option: string): string {
  if (isVersion(text)) return text;
  throw badValue(option, text, "wanted X.Y.Z, such as 0.2.0");
}

// A path of this form is given as `./NAME=…`.
const NAMED = /^([^/\\=]+)=(.+)$/s;

/** A folder or file to share: `PATH`, or `NAME=PATH`. */
export function parseShared(word: string): SharedPath {
  const [, name, path] = NAMED.exec(word) ?? [];
  return name === undefined ? { path: word } : { path: path!, name };
}

/** The display name of a node. */
export function displayName(text: string, option: string): string {
  const count = Array.from(text).length;
  if (text.trim() === "") {
    throw badValue(option, text, "a node's name must not be blank");
  }
  if (count > LIMITS.displayNameCount) {
    throw badValue(
      option,
      text,
      `a node's name must have at most ${LIMITS.displayNameCount} characters, found ${count}`,
    );
  }
  return text;
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Reads `90s`, `30m`, `24h` or `7d` as seconds, at least one. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  const seconds = Number(count) * SECONDS[unit as keyof typeof SECONDS];
  return seconds > 0 ? seconds : undefined;
}

/** Seconds in the largest unit that divides them. */
export function formatDuration(seconds: number): string {
  for (const unit of ["d", "h", "m"] as const) {
    if (seconds % SECONDS[unit] === 0) {
      return `${seconds / SECONDS[unit]}${unit}`;
    }
  }
  return `${seconds}s`;
}
