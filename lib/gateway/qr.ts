/**
 * QR codes for the page.
 *
 * @module
 */

import { LIMITS } from "../base/limits.ts";
import { type HttpAnswer, plainAnswer } from "../http/answer.ts";

/** `/api/qr?text=…`: rows of 0 and 1, without the margin that scanners need. */
export async function qrAsJson(query: string): Promise<HttpAnswer> {
  const text = new URLSearchParams(query).get("text") ?? "";
  if (text === "" || text.length > LIMITS.linkLength) {
    return plainAnswer(400, "the address is too long for a QR code");
  }
  // Loaded on demand: few people want one.
  const { encode } = await import("uqr");
  const { data, size } = encode(text, { ecc: "L", border: 0 });
  const rows = data.map((row) => row.map((dark) => dark ? "1" : "0").join(""));
  return {
    status: 200,
    fields: [
      ["Content-Type", "application/json"],
      ["Cache-Control", "no-store"],
    ],
    body: `${JSON.stringify({ v: 1, size, rows })}\n`,
  };
}
