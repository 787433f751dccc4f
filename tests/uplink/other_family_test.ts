import { assertEquals } from "@std/assert";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { OtherFamily } from "../../lib/uplink/other_family.ts";
import { FakeTime } from "../_fake_time.ts";

const BOTH = ["192.0.2.1", "2001:db8::1"];
const HERE: Record<string, string> = {
  "192.0.2.1:1700": "192.168.1.7",
  "[2001:db8::1]:1700": "2001:db8:7::7",
};

/** A machine at a relay with a name and addresses. */
function start(
  { host = "relay.example", addresses = BOTH, hangs = false } = {},
) {
  const dialled: string[] = [];
  const never = new Promise<string>(() => {});
  const other = new OtherFamily({
    relay: { host, port: 1700 },
    limits: LIMITS,
    signal: new AbortController().signal,
    resolve: () => Promise.resolve(addresses),
    localOf: (endpoint) => {
      const text = formatEndpoint(endpoint);
      dialled.push(text);
      const local = HERE[text];
      if (hangs) return never;
      return local === undefined
        ? Promise.reject(new Deno.errors.ConnectionRefused())
        : Promise.resolve(local);
    },
  });
  return { other, dialled };
}

for (
  const [what, from, expected] of [
    ["IPv6 where the relay is reached by IPv4", "192.168.1.7", "2001:db8:7::7"],
    ["IPv4 where the relay is reached by IPv6", "2001:db8:7::7", "192.168.1.7"],
  ] as const
) {
  Deno.test(`OtherFamily finds this machine's address of ${what}`, async () => {
    const { other } = start();
    await other.look(from);
    assertEquals(other.local, expected);
  });
}

for (
  const [what, options] of [
    ["a relay with one family", { addresses: ["192.0.2.1"] }],
    ["a relay that is given by its address", { host: "192.0.2.1" }],
    ["a relay that refuses the other", { addresses: ["192.0.2.1", "::9"] }],
  ] as const
) {
  Deno.test(`OtherFamily finds nothing at ${what}`, async () => {
    const { other } = start({
      ...options,
      addresses: [...options.addresses ?? BOTH],
    });
    await other.look("192.168.1.7");
    assertEquals(other.local, undefined);
  });
}

Deno.test("OtherFamily dials once in 300 s, and at once in another network", async () => {
  using time = new FakeTime();
  const { other, dialled } = start();
  for (let n = 0; n < 15; n++) {
    await other.look("192.168.1.7");
    await time.advance(19_000);
  }
  assertEquals(dialled.length, 1);
  await time.advance(LIMITS.reachCheckMs);
  await other.look("192.168.1.7");
  assertEquals(dialled.length, 2);
  await other.look("10.0.0.7");
  assertEquals(dialled.length, 3);
});

Deno.test("OtherFamily keeps a registration waiting for a second at most", async () => {
  using time = new FakeTime();
  const { other } = start({ hangs: true });
  let isOver = false;
  const looking = other.look("192.168.1.7").then(() => isOver = true);
  await time.advance(LIMITS.otherFamilyMs - 1);
  assertEquals(isOver, false);
  await time.advance(1);
  await looking;
  assertEquals([isOver, other.local], [true, undefined]);
});
