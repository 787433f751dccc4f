import { assertEquals, assertThrows } from "@std/assert";
import { isEarlier, isVersion, VERSION } from "../../lib/base/version.ts";

Deno.test("isEarlier orders versions by number, not by text", () => {
  const rising = ["0.0.1", "0.1.0", "0.9.12", "0.10.0", "1.0.0", "10.0.0"];
  for (const [left, one] of rising.entries()) {
    for (const [right, other] of rising.entries()) {
      assertEquals(isEarlier(one, other), left < right, `${one} ${other}`);
    }
  }
});

Deno.test("isVersion takes three numbers with dots, and nothing else", () => {
  assertEquals(isVersion(VERSION), true);
  for (
    const text of ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.x", "1.2.3\n"]
  ) {
    assertEquals(isVersion(text), false, JSON.stringify(text));
    assertThrows(() => isEarlier(text, VERSION), TypeError);
  }
  assertEquals(isVersion("9999999.0.0"), false);
});
