/**
 * Dates in fields of HTTP: RFC 9110, section 5.6.7. Pure.
 *
 * @module
 */

// The years 0 to 9999: a date has four digits for them.
const FIRST_MS = -62_167_219_200_000;
const LAST_MS = 253_402_300_799_999;

/**
 * A time in milliseconds since 1970 as a field has it; `undefined` if none can
 * express it.
 */
export function httpDate(ms: number): string | undefined {
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) return undefined;
  return new Date(ms).toUTCString();
}

/** The time in a field; `undefined` if there is none. */
export function dateIn(text: string | undefined): number | undefined {
  if (text === undefined || !/ GMT$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
