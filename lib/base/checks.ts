/**
 * Checks data from outside against what is declared about it: the checks
 * themselves are written by `deno task checks`, one for each field. Pure.
 *
 * @module
 */

/** Whether a value is as declared. */
export type Check = (value: unknown) => boolean;

/** The check of each field of an object. */
export type Fields = Readonly<Record<string, Check>>;

/** Whether other fields are wrong. */
export interface Openness {
  readonly isClosed: boolean;
}

/** Other fields are wrong. */
export const CLOSED: Openness = { isClosed: true };

/**
 * Where `value` is not an object with these fields: the name of the first such
 * field, `""` for something else than an object, `undefined` if it is one.
 */
export function wrongField(
  value: unknown,
  fields: Fields,
  { isClosed }: Openness = { isClosed: false },
): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "";
  }
  const given = value as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    if (!fields[name]!(given[name])) return name;
  }
  if (!isClosed) return undefined;
  return Object.keys(given).find((name) => !Object.hasOwn(fields, name));
}
