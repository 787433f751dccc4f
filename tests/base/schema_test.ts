import { assert, assertEquals } from "@std/assert";
import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import fc from "fast-check";
import {
  boolean,
  bytes,
  integer,
  list,
  matching,
  object,
  oneOf,
  optional,
  pair,
  record,
  type Schema,
  text,
} from "../../lib/base/schema.ts";

/** Each of ours, and the same in the library that is our reference. */
const PAIRS: readonly [string, Schema<unknown>, TSchema][] = [
  [
    "integer",
    integer({ minimum: -2, maximum: 3 }),
    Type.Integer({
      minimum: -2,
      maximum: 3,
    }),
  ],
  [
    "text",
    text({ least: 1, most: 3 }),
    Type.String({
      minLength: 1,
      maxLength: 3,
    }),
  ],
  ["matching", matching(/^[a-c]{2}$/), Type.String({ pattern: "^[a-c]{2}$" })],
  ["boolean", boolean(), Type.Boolean()],
  [
    "oneOf",
    oneOf("a", "aa", 1),
    Type.Union([
      Type.Literal("a"),
      Type.Literal("aa"),
      Type.Literal(1),
    ]),
  ],
  [
    "list",
    list(boolean(), { least: 1, most: 2 }),
    Type.Array(Type.Boolean(), {
      minItems: 1,
      maxItems: 2,
    }),
  ],
  [
    "pair",
    pair(boolean(), text()),
    Type.Tuple([
      Type.Boolean(),
      Type.String(),
    ]),
  ],
  [
    "record",
    record(text(), boolean()),
    Type.Record(
      Type.String(),
      Type.Boolean(),
    ),
  ],
  [
    "object",
    object({ a: boolean(), b: optional(text()) }),
    Type.Object({
      a: Type.Boolean(),
      b: Type.Optional(Type.String()),
    }),
  ],
  [
    "closed object",
    object({ a: boolean() }, { isClosed: true }),
    Type.Object(
      { a: Type.Boolean() },
      { additionalProperties: false },
    ),
  ],
  [
    "nested",
    object({ a: list(object({ b: oneOf("a") })) }),
    Type.Object({
      a: Type.Array(Type.Object({ b: Type.Literal("a") })),
    }),
  ],
];

/** Values that fit often, and any others. */
const VALUES = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom("", "a", "aa", "ab", "abcd", 0, -2, -3, 3, 4, 1.5, NaN),
    fc.constantFrom(true, false, null, undefined, new Uint8Array(1)),
  ),
  value: fc.oneof(
    { depthSize: "small" },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value")),
  ),
})).value;

for (const [name, ours, theirs] of PAIRS) {
  Deno.test(`A schema of ${name} accepts what the reference accepts`, () => {
    fc.assert(
      fc.property(VALUES, (value) => {
        assertEquals(ours.accepts(value), Value.Check(theirs, value));
      }),
      { seed: 8, numRuns: 2_000 },
    );
  });
}

Deno.test("A fault names the field, and holds nothing of the value", () => {
  const schema = object({ a: list(object({ b: integer({ minimum: 0 }) })) });
  assertEquals(schema.fault({ a: [{ b: 0 }, { b: "secret" }] }), {
    at: "a.1.b",
    why: `must be a whole number from 0 to Infinity`,
  });
  assertEquals(schema.fault([])?.at, "");
  assertEquals(schema.fault({ a: [{ b: 0 }] }), undefined);
});

Deno.test("A schema of bytes accepts bytes alone", () => {
  assert(bytes().accepts(new Uint8Array(2)));
  assert(!bytes().accepts([1, 2]));
});
