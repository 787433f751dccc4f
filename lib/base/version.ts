/**
 * The version of this program, which a test compares with `deno.json`, that of
 * its protocol, and a comparison of two versions. Pure.
 *
 * @module
 */

/** As in `deno.json`. */
export const VERSION = "0.1.0";

/** The version of the protocol. Peers must speak the same. */
export const PROTOCOL_VERSION = 1;

const FORM = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})$/;

/**
 * Whether `text` is a version that can be compared: three numbers with dots
 * between them.
 */
export function isVersion(text: string): boolean {
  return FORM.test(text);
}

/**
 * Whether version `one` is earlier than `other`.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isEarlier } from "./version.ts";
 *
 * assertEquals(isEarlier("0.9.12", "0.10.0"), true);
 * assertEquals(isEarlier("1.0.0", "1.0.0"), false);
 * ```
 *
 * @throws {TypeError} unless both are versions.
 */
export function isEarlier(one: string, other: string): boolean {
  const [left, right] = [numbersOf(one), numbersOf(other)];
  const at = left.findIndex((number, index) => number !== right[index]);
  return at >= 0 && left[at]! < right[at]!;
}

function numbersOf(version: string): number[] {
  const [, ...numbers] = FORM.exec(version) ?? [];
  if (numbers.length === 0) {
    throw new TypeError("Cannot compare versions: wanted X.Y.Z");
  }
  return numbers.map(Number);
}
