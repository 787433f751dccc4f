/**
 * The schemas of what the instances of a relay send to each other. `deno task
 * checks` writes the checks from them; no program loads this module. Pure.
 *
 * @module
 */

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../base/limits.ts";

/**
 * What an instance sends about a node, in addition to the registry's fields.
 */
export const NodeBodySchema = Type.Object({
  record: Type.String(),
  certificate: Type.String(),
  signature: Type.String(),
  host: Type.String(),
}, { additionalProperties: false });

/** What an instance sends about a holder. */
export const HolderBodySchema = Type.Object({
  record: Type.String(),
  certificate: Type.String(),
  signature: Type.String(),
  host: Type.String(),
  reached: Type.Union([
    Type.Literal("alive"),
    Type.Literal("gone"),
    Type.Literal("unchecked"),
  ]),
  contents: Type.Array(Type.String({ pattern: "^[A-Za-z0-9_-]{22}$" }), {
    maxItems: LIMITS.contentsPerHolderCount,
  }),
}, { additionalProperties: false });

/** What is sent about a node. */
export type NodeBody = Static<typeof NodeBodySchema>;
/** What is sent about a holder. */
export type HolderBody = Static<typeof HolderBodySchema>;
