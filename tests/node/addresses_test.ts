import { assertEquals } from "@std/assert";
import { formatEndpoint } from "../../lib/base/conn.ts";
import {
  addressesOf,
  type AddressFacts,
  type WayToRelay,
} from "../../lib/node/addresses.ts";

const HOME: WayToRelay = {
  local: "192.168.1.7",
  observed: "203.0.113.7",
  isReached: false,
};
const OPEN: WayToRelay = { ...HOME, isReached: true };
const SIX_FILES: WayToRelay = {
  local: "2001:db8::7",
  observed: "2001:db8::7",
  isReached: false,
};
const HERE: WayToRelay = {
  local: "127.0.0.1",
  observed: "127.0.0.1",
  isReached: false,
};
const ANY = { host: "::", port: 1500 };

for (
  const [what, facts, expected] of [
    ["beside its relay registers where it is", { ways: [HERE] }, [
      "127.0.0.1:1500",
    ]],
    [
      "behind a router that lets nothing in registers its local address",
      { ways: [HOME] },
      ["192.168.1.7:1500"],
    ],
    [
      "behind a router that forwards its port registers where the relay reached it, then its local address",
      { ways: [OPEN] },
      ["203.0.113.7:1500", "192.168.1.7:1500"],
    ],
    [
      "with IPv6 registers its global address too",
      { ways: [HOME, SIX_FILES] },
      ["192.168.1.7:1500", "[2001:db8::7]:1500"],
    ],
    [
      "that IPv6 alone reaches registers that first",
      { ways: [HOME, { ...SIX_FILES, isReached: true }] },
      ["[2001:db8::7]:1500", "192.168.1.7:1500"],
    ],
    [
      "that listens at IPv4 alone registers no IPv6 address",
      { bound: { host: "0.0.0.0", port: 1500 }, ways: [HOME, SIX_FILES] },
      ["192.168.1.7:1500"],
    ],
    [
      "without local addresses registers what the relay sees, if there is nothing else",
      { lan: false, ways: [HOME] },
      ["203.0.113.7:1500"],
    ],
    [
      "without local addresses registers its global one alone",
      { lan: false, ways: [HOME, SIX_FILES] },
      ["[2001:db8::7]:1500"],
    ],
    [
      "without local addresses registers the one that the relay sees, in its own network",
      { lan: false, ways: [{ ...HOME, observed: HOME.local }] },
      ["192.168.1.7:1500"],
    ],
    [
      "with an address from its owner registers that alone",
      { advertise: { host: "nas.example", port: 9 }, ways: [OPEN, SIX_FILES] },
      ["nas.example:9"],
    ],
    [
      "that is bound to one address registers that alone",
      { bound: { host: "192.168.1.7", port: 1500 }, ways: [OPEN, SIX_FILES] },
      ["192.168.1.7:1500"],
    ],
    [
      "takes no host from the relay that is no address of one machine",
      {
        ways: [
          { ...OPEN, observed: "0.0.0.0" },
          { ...OPEN, observed: "evil.example" },
          { ...OPEN, observed: "fe80::1" },
          { ...OPEN, observed: "\x1b[2J" },
        ],
      },
      ["192.168.1.7:1500"],
    ],
  ] as const satisfies readonly (readonly [
    string,
    Partial<AddressFacts> & Pick<AddressFacts, "ways">,
    readonly string[],
  ])[]
) {
  Deno.test(`A node ${what}`, () => {
    const found = addressesOf({ bound: ANY, lan: true, ...facts });
    assertEquals(found.map(formatEndpoint), [...expected]);
  });
}
