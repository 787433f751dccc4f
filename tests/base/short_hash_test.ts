import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import { sha256OfText } from "../../lib/base/short_hash.ts";

Deno.test("sha256OfText hashes any text as the platform does, also half a character", () => {
  const texts = [
    "",
    "abc",
    "é",
    "\u{1f4a5}",
    "\ud83d",
    "x\udca5",
    "文".repeat(900),
  ];
  for (const text of texts) {
    assertEquals(
      sha256OfText(text).toHex(),
      createHash("sha256").update(text).digest("hex"),
    );
  }
});
