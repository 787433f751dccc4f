/**
 * The schema of receipts. `deno task checks` writes the checks from it; no
 * program loads this module. Pure.
 *
 * @module
 */

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../../base/limits.ts";

const Digest = Type.String({ pattern: "^[0-9a-f]{64}$" });
const Bytes = Type.Integer({ minimum: 0, maximum: LIMITS.fileBytes });
const Time = Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$" });
const Name = Type.String({ maxLength: LIMITS.nameBytes });

const ReceiptFileSchema = Type.Object({
  /** Its name, as its nodes share it. */
  name: Name,
  /** The path that it was saved at. */
  path: Type.String({ maxLength: 4096 }),
  bytes: Bytes,
  /** SHA-256, as `sha256sum` prints it. */
  sha256: Digest,
  /** Content id: SHA-256 of the list of its pieces' hashes. */
  content: Digest,
  /**
   * `received`: each piece was checked against its SHA-256 on arrival.
   * `present`: it existed already, with the content that the nodes have. For
   * the receipt, both were read back from the disk.
   */
  verified: Type.Union([Type.Literal("received"), Type.Literal("present")]),
  receivedAt: Time,
  /** Bytes from an earlier run. */
  earlierBytes: Bytes,
  /** Bytes by source and path. */
  from: Type.Array(
    Type.Object({
      /** A `node`, or a `holder`: a client that fetched the same. */
      kind: Type.Optional(
        Type.Union([Type.Literal("node"), Type.Literal("holder")]),
      ),
      id: Type.String({ minLength: 52, maxLength: 52 }),
      name: Name,
      bytes: Bytes,
      paths: Type.Record(Type.String({ maxLength: 16 }), Bytes),
    }),
  ),
});

/** Its fields. */
export const ReceiptSchema = Type.Object({
  v: Type.Literal(1),
  receipt: Type.Literal("relay-p2p"),
  program: Type.String({ maxLength: 100 }),
  relay: Type.String({ maxLength: 400 }),
  encrypted: Type.Boolean(),
  files: Type.Array(ReceiptFileSchema, { minItems: 1 }),
});

/** The entry of one file. */
export type ReceiptFile = Static<typeof ReceiptFileSchema>;

/** The files of one `get`. */
export type Receipt = Static<typeof ReceiptSchema>;
