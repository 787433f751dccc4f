/**
 * The schema of a node that a client keeps between runs. `deno task checks`
 * writes the checks from it; no program loads this module. Pure.
 *
 * @module
 */

import { type Static, Type } from "@sinclair/typebox";

const text = (maxLength: number) => Type.String({ maxLength });

/** Its fields, in the order in which they are written. */
export const KeptSchema = Type.Object({
  relay: text(300),
  relayId: text(52),
  node: text(52),
  at: Type.Integer({ minimum: 0 }),
  record: text(2048),
  certificate: text(1400),
  signature: text(88),
  observed: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 8 }),
  grant: Type.Optional(text(1024)),
}, { additionalProperties: false });

/** A node that a relay has listed. */
export type KeptNode = Static<typeof KeptSchema>;
