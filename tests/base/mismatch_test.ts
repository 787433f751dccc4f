/** What is wrong with data from outside, in words. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { describeMismatch } from "../../lib/base/mismatch.ts";
import { ReceiptSchema } from "../../lib/cli/commands/receipt_schema.ts";
import { RecordSchema } from "../../lib/protocol/record_schema.ts";
import { CODEC } from "../../lib/protocol/message_schemas.ts";
import { seededRandom } from "../_random.ts";

const SCHEMA = Type.Object({
  files: Type.Array(
    Type.Object({
      name: Type.String({ maxLength: 8 }),
      size: Type.Integer({ minimum: 0, maximum: 9 }),
      executable: Type.Optional(Type.Boolean()),
    }),
    { maxItems: 3 },
  ),
  more: Type.Boolean(),
  key: Type.Optional(Type.String({ pattern: "^[a-f]{4}$" })),
  kind: Type.Optional(Type.Union([Type.Literal("a"), Type.Literal("b")])),
  paths: Type.Optional(
    Type.Record(
      Type.String({ pattern: "^[a-z]+$" }),
      Type.Integer({ minimum: 0, maximum: 9 }),
      { additionalProperties: false },
    ),
  ),
  pair: Type.Optional(
    Type.Tuple([Type.Integer(), Type.String({ minLength: 2, maxLength: 2 })]),
  ),
}, { additionalProperties: false });

const FILE = { name: "a", size: 1 };

for (
  const [value, text] of [
    [undefined, "body must be an object, found nothing"],
    [null, "body must be an object, found null"],
    [[1], "body must be an object, found a list of 1 item"],
    [{}, "files must be a list of at most 3 items, found nothing"],
    [
      { files: [FILE, FILE, FILE, FILE], more: false },
      "files must be a list of at most 3 items, found a list of 4 items",
    ],
    [
      { files: [FILE, { name: "b", size: "12" }], more: false },
      'files[1].size must be a whole number from 0 to 9, found "12"',
    ],
    [
      { files: [{ name: "b", size: 1.5 }], more: false },
      "files[0].size must be a whole number from 0 to 9, found 1.5",
    ],
    [
      { files: [{ name: "too long a name", size: 1 }], more: false },
      "files[0].name must be text of at most 8 characters, found text of 15 characters",
    ],
    [
      { files: [{ ...FILE, executable: {} }], more: false },
      "files[0].executable must be true or false, found an object",
    ],
    [
      { files: [], more: "\u001b[2J\u202e" + "x".repeat(500) },
      `more must be true or false, found "\\u001b[2J\\u202e${"x".repeat(27)}"…`,
    ],
    [
      { files: [], more: true, key: "secret" },
      "key must be text that matches ^[a-f]{4}$, found text of 6 characters",
    ],
    [
      { files: [], more: true, kind: 1 },
      'kind must be "a" or "b", found 1',
    ],
    [
      { files: [], more: true, pair: [1, "abc"] },
      "pair[1] must be text of 2 characters, found text of 3 characters",
    ],
    [
      { files: [], more: true, paths: { direct: 1, tunnel: -1 } },
      'paths["tunnel"] must be a whole number from 0 to 9, found -1',
    ],
    [
      { files: [], more: true, paths: { direct: 1, "\u0007": 1 } },
      'paths must have no field "\\u0007"',
    ],
    [
      { files: [], more: true, ["\u0007" + "y".repeat(99)]: 1 },
      `body must have no field "\\u0007${"y".repeat(31)}"…`,
    ],
  ] as const
) {
  Deno.test(`describeMismatch says: ${text}`, () => {
    assertEquals(describeMismatch(value, JSON.stringify(SCHEMA), "body"), text);
  });
}

/** The fields of an object, with two that have names by a pattern. */
function fieldsOf(schema: TSchema): Record<string, TSchema> {
  const patterns: Record<string, TSchema> = schema["patternProperties"] ?? {};
  const [any] = Object.values(patterns);
  return { ...schema["properties"], ...any && { one: any, "\u202e": any } };
}

/** A value of the schema, or one with a part of another kind. */
function valueFor(schema: TSchema, random: () => number): unknown {
  const pick = <T>(values: readonly T[]) =>
    values[Math.floor(random() * values.length)]!;
  if (random() < 0.1) return pick([null, 1.5, -1, "x", [], {}, true, "\u0000"]);
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(fieldsOf(schema))
          .map(([name, part]) => [name, valueFor(part, random)]),
      );
    case "array": {
      const { items } = schema as { items?: TSchema | TSchema[] };
      return Array.isArray(items)
        ? items.map((item) => valueFor(item, random))
        : [valueFor(items ?? {} as TSchema, random)];
    }
    default:
      return pick([1, 7, true, "a", "a".repeat(32), "a".repeat(52)]);
  }
}

const SCHEMAS: readonly TSchema[] = [
  ...Object.values(CODEC).map(({ schema }) => schema),
  ReceiptSchema,
  RecordSchema,
];

/** The words of JSON Schema in a schema, without the names of fields. */
function wordsOf(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap(wordsOf);
  return Object.entries(schema).flatMap(([word, value]) => [
    word,
    ...word === "properties" || word === "patternProperties"
      ? Object.values(value as object).flatMap(wordsOf)
      : wordsOf(value),
  ]);
}

Deno.test("describeMismatch knows every word that the schemas use", () => {
  const words = SCHEMAS.flatMap((schema) =>
    wordsOf(JSON.parse(JSON.stringify(schema)))
  );
  // A list with `items` for each place has `minItems` and `maxItems` as well.
  const known = new Set([
    ..."type const anyOf minimum maximum minLength maxLength pattern".split(
      " ",
    ),
    ..."items additionalItems minItems maxItems properties".split(" "),
    ..."patternProperties required additionalProperties".split(" "),
  ]);
  assertEquals([...new Set(words)].filter((word) => !known.has(word)), []);
});

Deno.test("describeMismatch names a field for all that TypeBox rejects, in one short line", () => {
  const random = seededRandom(13);
  let rejected = 0;
  for (const schema of SCHEMAS) {
    const text = JSON.stringify(schema);
    if (text.includes("Uint8Array")) continue; // a body that is not JSON
    for (let n = 0; n < 50; n++) {
      const value = valueFor(schema, random);
      if (Value.Check(schema, value)) continue;
      rejected++;
      const words = describeMismatch(value, text, "body");
      assertMatch(words, /^(body|[a-zA-Z]+[\w.[\]"\\]*) must (be|have) /);
      assert(words.length <= 250, words);
    }
  }
  assert(rejected > 500, `${rejected}`);
});
