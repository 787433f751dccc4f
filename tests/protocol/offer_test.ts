import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/base/errors.ts";
import { FRAME_HEADER_BYTES } from "../../lib/protocol/frame.ts";
import { decodeMessage, encodeMessage } from "../../lib/protocol/messages.ts";

const OFFER = {
  kind: "offer",
  request: 1,
  of: "cd".repeat(32),
  id: "i".repeat(52),
} as const;

for (
  const wrong of [
    { of: "v".repeat(32) },
    { id: "i".repeat(53) },
    { id: "i".repeat(51) },
    { request: -1 },
  ]
) {
  Deno.test(`decodeMessage refuses an offer with ${Object.keys(wrong)} ${Object.values(wrong)}`, () => {
    const decode = (offer: typeof OFFER) => {
      const frame = encodeMessage(offer);
      const body = frame.subarray(FRAME_HEADER_BYTES);
      return decodeMessage({ type: frame[0]!, body }, ["offer"]);
    };
    assertEquals(decode(OFFER), OFFER);
    const offer = { ...OFFER, ...wrong } as typeof OFFER;
    assertThrows(() => decode(offer), ProtocolError);
  });
}
