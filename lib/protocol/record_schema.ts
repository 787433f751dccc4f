/**
 * The schema of what a node or a holder signs. `deno task checks` writes the
 * checks from it; no program loads this module. Pure.
 *
 * @module
 */

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../base/limits.ts";

// Printable ASCII that JSON need not escape, so that it has the same length in
// a listing.
const plainText = (least: number, most: number) =>
  Type.String({ pattern: `^[ !#-\\[\\]-~]{${least},${most}}$` });

/** The record that a node or a holder signs. */
export const RecordSchema = Type.Object({
  purpose: Type.Union([
    Type.Literal("register"),
    Type.Literal("withdraw"),
    Type.Literal("hold"),
  ]),
  relay: plainText(52, 52),
  nonce: plainText(0, 64),
  instance: plainText(8, 32),
  sequence: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  name: Type.String({ maxLength: 4 * LIMITS.displayNameCount }),
  addresses: Type.Array(Type.String({ maxLength: LIMITS.hostBytes + 8 })),
  // No other fields: a relay stores the record and sends it to everybody.
}, { additionalProperties: false });

/** A record as it stands in its JSON. */
export type WrittenRecord = Static<typeof RecordSchema>;
