/**
 * Says in words where data from outside differs from its schema, after a check
 * has rejected it: the path to the field, what is wanted, what was found. Pure.
 *
 * @module
 */

import { counted, escapeJson } from "./text.ts";

/** The part of JSON Schema that our schemas use. */
interface Shape {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Shape[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly items?: Shape | readonly Shape[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}

/** Characters of a peer's text that are shown. */
const SHOWN_COUNT = 32;

/**
 * The first mismatch, as `files[3].size must be a whole number, found "12"`.
 * `root` names the whole value. Of a text with a wrong form it gives only the
 * length, because it may be a secret.
 *
 * @param schema JSON Schema as text, which is parsed only here
 */
export function describeMismatch(
  value: unknown,
  schema: string,
  root: string,
): string {
  const found = mismatchIn(value, JSON.parse(schema), "");
  if (found === undefined) return `${root} is not valid`;
  return `${found.path || root} must ${found.must}`;
}

interface Mismatch {
  /** Empty for the whole value. */
  readonly path: string;
  readonly must: string;
}

function mismatchIn(
  value: unknown,
  shape: Shape,
  path: string,
): Mismatch | undefined {
  if (shape.anyOf?.some((one) => !mismatchIn(value, one, path))) {
    return undefined;
  }
  if (!matchesAlone(value, shape)) {
    const found = foundIn(value, shape);
    return { path, must: `be ${wantedBy(shape)}, found ${found}` };
  }
  if (shape.type === "array") {
    return mismatchInList(value as unknown[], shape, path);
  }
  return shape.type === "object"
    ? mismatchInObject(value as Fields, shape, path)
    : undefined;
}

function mismatchInList(
  list: readonly unknown[],
  { items = {} }: Shape,
  path: string,
): Mismatch | undefined {
  for (const [index, item] of list.entries()) {
    const shape = Array.isArray(items) ? items[index] ?? {} : items;
    const found = mismatchIn(item, shape, `${path}[${index}]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function mismatchInObject(
  object: Fields,
  shape: Shape,
  path: string,
): Mismatch | undefined {
  const { properties = {}, required = [], additionalProperties } = shape;
  for (const [name, shape] of Object.entries(properties)) {
    if (object[name] === undefined && !required.includes(name)) continue;
    const at = path === "" ? name : `${path}.${name}`;
    const found = mismatchIn(object[name], shape, at);
    if (found !== undefined) return found;
  }
  const others = Object.keys(object)
    .filter((name) => !Object.hasOwn(properties, name));
  for (const name of others) {
    const shapes = shapesByPattern(name, shape);
    for (const one of shapes) {
      const found = mismatchIn(object[name], one, `${path}[${shown(name)}]`);
      if (found !== undefined) return found;
    }
    if (shapes.length === 0 && additionalProperties === false) {
      return { path, must: `have no field ${shown(name)}` };
    }
  }
  return undefined;
}

/** The shapes of a field whose name matches patterns. */
function shapesByPattern(
  name: string,
  { patternProperties = {} }: Shape,
): Shape[] {
  return Object.entries(patternProperties)
    .filter(([pattern]) => new RegExp(pattern).test(name))
    .map(([, shape]) => shape);
}

type Fields = Readonly<Record<string, unknown>>;

/** Whether a value fits, apart from its fields and items. */
function matchesAlone(value: unknown, shape: Shape): boolean {
  if (shape.anyOf !== undefined) return false;
  if ("const" in shape) return value === shape.const;
  switch (shape.type) {
    case "integer":
    case "number":
      return typeof value === "number" &&
        (shape.type === "number" || Number.isInteger(value)) &&
        isWithin(value, shape.minimum, shape.maximum);
    case "string":
      return typeof value === "string" &&
        isWithin(value.length, shape.minLength, shape.maxLength) &&
        new RegExp(shape.pattern ?? "").test(value);
    case "boolean":
      return typeof value === "boolean";
    case "array":
      return Array.isArray(value) &&
        isWithin(value.length, shape.minItems, shape.maxItems);
    case "object":
      return typeof value === "object" && value !== null &&
        !Array.isArray(value);
    default:
      return true;
  }
}

function isWithin(value: number, least = -Infinity, most = Infinity): boolean {
  return value >= least && value <= most;
}

function wantedBy(shape: Shape): string {
  if (shape.anyOf !== undefined) return shape.anyOf.map(wantedBy).join(" or ");
  if ("const" in shape) return JSON.stringify(shape.const);
  switch (shape.type) {
    case "integer":
      return "a whole number" + range(shape.minimum, shape.maximum);
    case "number":
      return "a number" + range(shape.minimum, shape.maximum);
    case "string":
      return shape.pattern === undefined
        ? "text" + size("character", shape.minLength, shape.maxLength)
        : `text that matches ${shape.pattern}`;
    case "boolean":
      return "true or false";
    case "array":
      return "a list" + size("item", shape.minItems, shape.maxItems);
    default:
      return "an object";
  }
}

function range(least?: number, most?: number): string {
  if (least === undefined || most === undefined) return "";
  return ` from ${least} to ${most}`;
}

function size(unit: string, least = 0, most?: number): string {
  if (most === undefined) return "";
  if (least === most) return ` of ${counted(most, unit)}`;
  return least === 0
    ? ` of at most ${counted(most, unit)}`
    : ` of ${least} to ${counted(most, unit)}`;
}

function foundIn(value: unknown, shape: Shape): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${counted(value.length, "item")}`;
  if (typeof value === "string") {
    return shape.type === "string"
      ? `text of ${counted(value.length, "character")}`
      : shown(value);
  }
  return typeof value === "object" && value !== null
    ? "an object"
    : String(value);
}

/** The start of a peer's text, in quotes and escaped. */
function shown(text: string): string {
  const start = Array.from(text.slice(0, 2 * SHOWN_COUNT));
  const isCut = start.length > SHOWN_COUNT || text.length > 2 * SHOWN_COUNT;
  const quoted = JSON.stringify(start.slice(0, SHOWN_COUNT).join(""));
  return escapeJson(quoted) + (isCut ? "…" : "");
}
