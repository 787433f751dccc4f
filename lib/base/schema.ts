/**
 * Schemas of JSON values: each gives the type of a value and its check. Pure.
 *
 * Our own in place of a library: the one that was here before loaded 218
 * modules at each start; docs/PERFORMANCE.md has the measurement.
 *
 * @module
 */

/** What is wrong with a value. */
export interface Fault {
  /** The field, as `files.0.name`; empty for the value itself. */
  readonly at: string;
  /** What the field must be. Holds nothing of the value. */
  readonly why: string;
}

type Check = (value: unknown) => Fault | undefined;

/** A schema of values of type `T`. */
export class Schema<T> {
  /** The first fault of a value; `undefined` if it has none. */
  readonly fault: Check;

  /** A schema with this check. */
  constructor(fault: Check) {
    this.fault = fault;
  }

  /** Whether a value fits. */
  accepts(value: unknown): value is T {
    return this.fault(value) === undefined;
  }
}

/** A field that may be missing. */
export class Optional<T> extends Schema<T> {
  /** Distinguishes the type from {@linkcode Schema}. */
  readonly isOptional = true;
}

type Fields = Readonly<Record<string, Schema<unknown>>>;

/** The type of the values of a schema. */
export type Static<S> = S extends Schema<infer T> ? T : never;

type OptionalKeys<F> = {
  [K in keyof F]: F[K] extends Optional<unknown> ? K : never;
}[keyof F];

/** The type of an object with these fields. */
export type ObjectOf<F> =
  & { [K in Exclude<keyof F, OptionalKeys<F>>]: Static<F[K]> }
  & { [K in OptionalKeys<F>]?: Static<F[K]> };

/** A schema of an object. */
export class ObjectSchema<F extends Fields> extends Schema<ObjectOf<F>> {
  /** The schemas of its fields, for a schema with more. */
  readonly fields: F;

  /** See {@linkcode object}. */
  constructor(fields: F, { isClosed }: { isClosed: boolean }) {
    super(objectCheck(fields, isClosed));
    this.fields = fields;
  }
}

/**
 * An object with these fields. Other fields are ignored, or a fault if it is
 * closed.
 */
export function object<const F extends Fields>(
  fields: F,
  { isClosed = false }: { isClosed?: boolean } = {},
): ObjectSchema<F> {
  return new ObjectSchema(fields, { isClosed });
}

function objectCheck(fields: Fields, isClosed: boolean): Check {
  const names = Object.keys(fields);
  const checks = names.map((name) => fields[name]!.fault);
  const areOptional = names.map((name) => fields[name] instanceof Optional);
  const known = new Set(names);
  return (value) => {
    if (!isRecord(value)) return NO_OBJECT;
    for (let at = 0; at < names.length; at++) {
      const field = value[names[at]!];
      if (field === undefined && areOptional[at]) continue;
      const fault = checks[at]!(field);
      if (fault !== undefined) return within(names[at]!, fault);
    }
    const isAsDeclared = !isClosed ||
      Object.keys(value).every((name) => known.has(name));
    return isAsDeclared ? undefined : UNKNOWN_FIELD;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function within(name: string | number, { at, why }: Fault): Fault {
  return { at: at === "" ? `${name}` : `${name}.${at}`, why };
}

function must(be: string): Fault {
  return { at: "", why: `must be ${be}` };
}

const NO_OBJECT = must("an object");
const UNKNOWN_FIELD: Fault = { at: "", why: "has an unknown field" };

/** The same, for a field that may be missing. */
export function optional<T>(schema: Schema<T>): Optional<T> {
  return new Optional(schema.fault);
}

/** A whole number between the two, which belong to it. */
export function integer(
  { minimum, maximum = Infinity }: { minimum: number; maximum?: number },
): Schema<number> {
  const fault = must(`a whole number from ${minimum} to ${maximum}`);
  return new Schema((value) =>
    typeof value === "number" && Number.isInteger(value) &&
      value >= minimum && value <= maximum
      ? undefined
      : fault
  );
}

/** A text with so many UTF-16 code units. */
export function text(
  { least = 0, most = Infinity }: { least?: number; most?: number } = {},
): Schema<string> {
  const fault = must(`a text of ${least} to ${most} characters`);
  return new Schema((value) =>
    typeof value === "string" && value.length >= least && value.length <= most
      ? undefined
      : fault
  );
}

/** A text that matches. The pattern must be anchored and without state. */
export function matching(pattern: RegExp): Schema<string> {
  const fault = must("a text of another form");
  return new Schema((value) =>
    typeof value === "string" && pattern.test(value) ? undefined : fault
  );
}

/** True or false. */
export function boolean(): Schema<boolean> {
  const fault = must("true or false");
  return new Schema((value) => typeof value === "boolean" ? undefined : fault);
}

/** One of these values. */
export function oneOf<const V extends readonly (string | number)[]>(
  ...values: V
): Schema<V[number]> {
  const fault = must(values.join(" or "));
  return new Schema((value) =>
    values.includes(value as V[number]) ? undefined : fault
  );
}

/** A list of so many items. */
export function list<T>(
  item: Schema<T>,
  { least = 0, most = Infinity }: { least?: number; most?: number } = {},
): Schema<T[]> {
  const fault = must(`a list of ${least} to ${most} items`);
  return new Schema((value) => {
    if (!Array.isArray(value)) return fault;
    if (value.length < least || value.length > most) return fault;
    for (let at = 0; at < value.length; at++) {
      const wrong = item.fault(value[at]);
      if (wrong !== undefined) return within(at, wrong);
    }
    return undefined;
  });
}

/** A list of two values. */
export function pair<A, B>(a: Schema<A>, b: Schema<B>): Schema<[A, B]> {
  const fault = must("a list of 2 items");
  return new Schema((value) => {
    if (!Array.isArray(value) || value.length !== 2) return fault;
    for (const [at, part] of [a, b].entries()) {
      const wrong = part.fault(value[at]);
      if (wrong !== undefined) return within(at, wrong);
    }
    return undefined;
  });
}

/** An object with any names, as keys and values of these schemas. */
export function record<T>(
  key: Schema<string>,
  item: Schema<T>,
): Schema<Record<string, T>> {
  return new Schema((value) => {
    if (!isRecord(value)) return NO_OBJECT;
    for (const [name, part] of Object.entries(value)) {
      const fault = key.fault(name) ?? item.fault(part);
      if (fault !== undefined) return fault;
    }
    return undefined;
  });
}

/** Bytes, which JSON cannot hold. */
export function bytes(): Schema<Uint8Array> {
  const fault = must("bytes");
  return new Schema((value) => value instanceof Uint8Array ? undefined : fault);
}
