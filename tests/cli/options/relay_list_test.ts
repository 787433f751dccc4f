import { assertEquals, assertThrows } from "@std/assert";
import { Failure } from "../../../lib/base/errors.ts";
import { parseRelayList } from "../../../lib/cli/options/relay_list.ts";
import { relays } from "../../../lib/cli/options/values.ts";

const ID = "a".repeat(52);

Deno.test("parseRelayList reads addresses, tokens beside the list, and comments", () => {
  const text =
    `# home\n\n p2p://nas:1700/${ID}  my token \nb:1\n[::1]:2 /t/token\n`;
  assertEquals(parseRelayList(text, "/lists/relays"), [
    {
      address: { host: "nas", port: 1700, id: ID },
      tokenFile: "/lists/my token",
    },
    { address: { host: "b", port: 1 } },
    { address: { host: "::1", port: 2 }, tokenFile: "/t/token" },
  ]);
});

for (
  const [text, wrong] of [
    ["a:1\nnas", /line 2\): nas is not a relay address/],
    ["p2p://nas:1700/short", /line 1/],
    ["# none\n", /it names no relay/],
  ] as const
) {
  Deno.test(`parseRelayList refuses ${JSON.stringify(text)}, and says where`, () => {
    const { message } = assertThrows(
      () => parseRelayList(text, "relays"),
      Failure,
    );
    assertEquals(wrong.test(message), true, message);
  });
}

Deno.test("relays reads a token file behind the address, as a line of a list has it", () => {
  assertEquals(relays(`nas:1 my token\np2p://pi:2/${ID}`), [
    { address: { host: "nas", port: 1 }, tokenFile: "my token" },
    { address: { host: "pi", port: 2, id: ID } },
  ]);
});
