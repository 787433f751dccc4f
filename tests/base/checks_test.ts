/**
 * Checks of data from outside, and the checks that `deno task checks` writes.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { TObject } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { CLOSED, type Fields, wrongField } from "../../lib/base/checks.ts";
import { RECEIPT_FIELDS } from "../../lib/cli/commands/receipt_checks.ts";
import { ReceiptSchema } from "../../lib/cli/commands/receipt_schema.ts";
import { KEPT_FIELDS } from "../../lib/client/kept_checks.ts";
import { KeptSchema } from "../../lib/client/kept_schema.ts";
import {
  MESSAGE_CHECKS,
  RECORD_FIELDS,
} from "../../lib/protocol/message_checks.ts";
import { CODEC } from "../../lib/protocol/message_schemas.ts";
import { RecordSchema } from "../../lib/protocol/record_schema.ts";
import { HOLDER_FIELDS, NODE_FIELDS } from "../../lib/relay/instance_checks.ts";
import {
  HolderBodySchema,
  NodeBodySchema,
} from "../../lib/relay/instance_schemas.ts";
import { checksText, MADE } from "../checks.ts";
import { ROOT } from "../_rooms.ts";

const isText = (value: unknown) => typeof value === "string";
const FIELDS: Fields = {
  name: isText,
  size: (value) => value === undefined || typeof value === "number",
};

Deno.test("wrongField names the first field that is not as declared", () => {
  assertEquals(wrongField({ name: "a", size: 1 }, FIELDS), undefined);
  assertEquals(wrongField({ name: "a" }, FIELDS), undefined);
  assertEquals(wrongField({ size: 1 }, FIELDS), "name");
  assertEquals(wrongField({ name: 1, size: "a" }, FIELDS), "name");
  assertEquals(wrongField({ name: "a", size: null }, FIELDS), "size");
});

Deno.test("wrongField takes other fields only where they may be", () => {
  const value = { name: "a", more: 1 };
  assertEquals(wrongField(value, FIELDS), undefined);
  assertEquals(wrongField(value, FIELDS, CLOSED), "more");
  const inherited = JSON.parse('{"name": "a", "__proto__": {}}');
  assertEquals(wrongField(inherited, FIELDS, CLOSED), "__proto__");
  assertEquals(
    wrongField({ name: "a", toString: 1 }, FIELDS, CLOSED),
    "toString",
  );
});

Deno.test("wrongField takes nothing but objects", () => {
  for (const value of [undefined, null, [], "name", 1, true, ["name"]]) {
    assertEquals(wrongField(value, FIELDS), "");
    assertEquals(wrongField(value, {}), "");
  }
});

for (const made of MADE) {
  Deno.test(`${made.path} is up to date`, async () => {
    const text = await Deno.readTextFile(join(ROOT, made.path));
    // Not `assertEquals`: on CI nobody would read a difference of thousands of
    // bytes.
    assert(text === checksText(made), "write it with: deno task checks");
  });
}

const SCHEMAS: readonly (readonly [string, TObject, Fields])[] = [
  ...Object.entries(CODEC).map(([kind, { schema }]) =>
    [kind, schema, MESSAGE_CHECKS[kind as keyof typeof CODEC].fields] as const
  ),
  ["a signed record", RecordSchema, RECORD_FIELDS],
  ["a kept node", KeptSchema, KEPT_FIELDS],
  ["a receipt", ReceiptSchema, RECEIPT_FIELDS],
  ["a node of an instance", NodeBodySchema, NODE_FIELDS],
  ["a holder of an instance", HolderBodySchema, HOLDER_FIELDS],
];

const NUMBERS = [0, -0, 1, -1, 0.5, 7, 64, 86_400, 65_535, 65_536, 2 ** 32]
  .concat([2 ** 53 - 1, 2 ** 53, 8.64e15, 8.64e15 + 2, NaN, Infinity]);
const TEXTS = [0, 1, 8, 11, 16, 22, 30, 32, 43, 44, 52, 64, 88, 128, 300, 4096]
  .flatMap((length) =>
    ["a", "7", "-", "A", " ", "\n"].map((letter) => letter.repeat(length))
  )
  .concat(["a".repeat(43) + "=", "alive", "received", "register", "relay-p2p"])
  .concat([["a", "b", "c"].map((letter) => letter.repeat(22)).join(".")])
  .concat(["2026-11-29T02:00:00.000Z"]);
const PLAIN = [undefined, null, true, false, {}, [], ...NUMBERS, ...TEXTS];
const LISTS = [0, 1, 16, 17, 64, 65, 500, 501, 1000, 1001, 1025]
  .flatMap((length) =>
    [1, "a", "a".repeat(22), "a".repeat(52), [0, 1], [0, 0], {}]
      .map((item) => Array(length).fill(item))
  );

Deno.test("The checks that are written accept what TypeBox accepts", () => {
  for (const [what, schema, fields] of SCHEMAS) {
    assertEquals(Object.keys(fields), Object.keys(schema.properties));
    for (const [name, property] of Object.entries(schema.properties)) {
      const isNeeded = schema.required?.includes(name) ?? false;
      for (const value of [...PLAIN, ...LISTS]) {
        const isMissing = value === undefined;
        const wanted = isMissing ? !isNeeded : Value.Check(property, value);
        const where = `${what}, ${name}: ${
          JSON.stringify(value)?.slice(0, 60)
        }`;
        assertEquals(fields[name]!(value), wanted, where);
      }
    }
  }
});
