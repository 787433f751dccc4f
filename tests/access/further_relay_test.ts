import { assertEquals, assertThrows } from "@std/assert";
import { sideBySide } from "../../lib/access/further_relay.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS } from "../../lib/base/limits.ts";

function relay(port: number) {
  return { address: { host: "nas", port } };
}

Deno.test("sideBySide takes eight relays, each once, and refuses nine", () => {
  const eight = [1, 2, 3, 4, 5, 6, 7, 8].map(relay);
  const [first, ...others] = eight;
  const twice = [...others, relay(1), relay(8)];
  assertEquals(sideBySide(first!, twice, LIMITS), eight);
  const { message } = assertThrows(
    () => sideBySide(first!, [...others, relay(9)], LIMITS),
    Failure,
  );
  assertEquals(
    message,
    "Cannot use relays: wanted at most 8, found 9; give fewer",
  );
});
