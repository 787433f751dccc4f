import { assert, assertEquals } from "@std/assert";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import {
  type JoinOutcome,
  Rendezvous,
  type Tunnel,
  type TunnelOpening,
  type TunnelSide,
} from "../../lib/relay/rendezvous.ts";

const NOW = 1_000;

/** The keys of a tunnel of that name. */
function keysOf(name: string): Record<TunnelSide, string> {
  return { client: `${name} client`, node: `${name} node` };
}

/** Asks for a tunnel called `name`. */
function ask(
  rendezvous: Rendezvous,
  name: string,
  { node = "node", source = "source" }: {
    node?: string;
    source?: string | undefined;
  } = {},
): TunnelOpening {
  return rendezvous.open({ node, source, client: "", keys: keysOf(name) }, NOW);
}

/** A tunnel called `name`, which must be opened. */
function open(
  rendezvous: Rendezvous,
  name: string,
  options: { node?: string; source?: string } = {},
): Tunnel {
  const outcome = ask(rendezvous, name, options);
  assert(outcome.kind === "opened", name);
  return outcome.tunnel;
}

function pairing(limits: Partial<Limits> = {}): Rendezvous {
  return new Rendezvous({ ...LIMITS, ...limits });
}

/** What is refused to a key that nobody waits for. */
const UNKNOWN: JoinOutcome = { kind: "refused", reason: "unknown_key" };

for (const order of [["client", "node"], ["node", "client"]] as const) {
  Deno.test(`Rendezvous pairs both sides, the ${order[0]} first`, () => {
    const rendezvous = pairing();
    const tunnel = open(rendezvous, "a");
    assertEquals(tunnel.phase, "waiting");
    const [first, second] = order;
    assertEquals(rendezvous.join(tunnel.keys[first], NOW), {
      kind: "waits",
      tunnel,
      side: first,
    });
    assertEquals(tunnel.phase, "half");
    assertEquals(rendezvous.join(tunnel.keys[second], NOW), {
      kind: "joined",
      tunnel,
      side: second,
    });
    assertEquals(tunnel.phase, "joined");
    assertEquals(rendezvous.count, 1);
    rendezvous.end(tunnel);
    assertEquals([tunnel.phase, rendezvous.count], ["ended", 0]);
  });
}

Deno.test("row 84: Rendezvous refuses keys that are wrong, used, late or of ended tunnels", () => {
  const rendezvous = pairing();
  const honest = open(rendezvous, "honest");
  assertEquals(rendezvous.join("nobody's", NOW), UNKNOWN);
  assertEquals(rendezvous.join("", NOW), UNKNOWN);
  assertEquals(rendezvous.join(honest.keys.client, NOW).kind, "waits");
  // Shown again it is no stand-in for the other side's.
  assertEquals(rendezvous.join(honest.keys.client, NOW), UNKNOWN);
  assertEquals(honest.phase, "half");
  assertEquals(rendezvous.join(honest.keys.node, NOW).kind, "joined");
  assertEquals(rendezvous.join(honest.keys.node, NOW), UNKNOWN);
  const ended = open(rendezvous, "ended");
  rendezvous.end(ended);
  assertEquals(rendezvous.join(ended.keys.client, NOW), UNKNOWN);
  const late = open(rendezvous, "late");
  const { joinBefore } = late;
  assertEquals(rendezvous.join(late.keys.node, joinBefore), UNKNOWN);
  assertEquals(rendezvous.join(late.keys.node, joinBefore - 1).kind, "waits");
});

Deno.test("row 81: Rendezvous gives both sides 30 s, to the millisecond", () => {
  const rendezvous = pairing();
  const waiting = open(rendezvous, "waiting");
  const half = open(rendezvous, "half");
  const joined = open(rendezvous, "joined");
  rendezvous.join(half.keys.client, NOW);
  rendezvous.join(joined.keys.client, NOW);
  rendezvous.join(joined.keys.node, NOW);
  assertEquals(rendezvous.expire(NOW + 29_999), []);
  assertEquals(rendezvous.expire(NOW + 30_000), [waiting, half]);
  assertEquals([waiting.phase, half.phase], ["ended", "ended"]);
  assertEquals(rendezvous.expire(NOW + 1e9), [], "one that runs has no end");
  assertEquals([joined.phase, rendezvous.count], ["joined", 1]);
});

Deno.test("Rendezvous opens 64 tunnels to one node, until one of them ends", () => {
  const rendezvous = pairing();
  const tunnels = Array.from(
    { length: 64 },
    (_, n) => open(rendezvous, `${n}`, { source: `source ${n}` }),
  );
  assertEquals(ask(rendezvous, "more", { source: "other" }), {
    kind: "refused",
    reason: "too_many_tunnels_for_node",
  });
  open(rendezvous, "other", { node: "other", source: "other" });
  rendezvous.end(tunnels[3]!);
  rendezvous.end(tunnels[3]!); // counts once
  open(rendezvous, "in its place", { source: "other" });
  assertEquals(
    ask(rendezvous, "more", { source: "other" }).kind,
    "refused",
  );
});

Deno.test("Rendezvous keeps a node usable for others, however often one address asks for it", () => {
  const rendezvous = pairing();
  for (let n = 0; n < 100; n++) ask(rendezvous, `${n}`, { source: "greedy" });
  open(rendezvous, "of another", { source: "another" });
});

Deno.test("Rendezvous opens 16 tunnels for one address, and any number if many clients share it", () => {
  const rendezvous = pairing();
  for (let n = 0; n < 16; n++) {
    open(rendezvous, `${n}`, { node: `node ${n}` });
  }
  assertEquals(ask(rendezvous, "more", { node: "other" }), {
    kind: "refused",
    reason: "too_many_tunnels_for_address",
  });
  open(rendezvous, "of another", { node: "other", source: "another" });
  for (let n = 0; n < 20; n++) {
    const shared = { node: "shared", client: "", keys: keysOf(`shared ${n}`) };
    const outcome = rendezvous.open({ ...shared, source: undefined }, NOW);
    assertEquals(outcome.kind, "opened");
  }
});

Deno.test("Rendezvous opens 1,000 tunnels, and an ended one frees its place", () => {
  const rendezvous = pairing();
  const one = (n: number) => ({ node: `node ${n}`, source: `source ${n}` });
  for (let n = 0; n < 1_000; n++) open(rendezvous, `${n}`, one(n));
  assertEquals(ask(rendezvous, "more", one(1_000)), {
    kind: "refused",
    reason: "too_many_tunnels",
  });
  assertEquals(rendezvous.expire(NOW + LIMITS.tunnelJoinMs).length, 1_000);
  assertEquals(rendezvous.count, 0);
  open(rendezvous, "more", one(1_000));
});

Deno.test("Rendezvous finds a tunnel by a key that has not been shown", () => {
  const rendezvous = pairing();
  const tunnel = open(rendezvous, "a");
  assertEquals(rendezvous.find(tunnel.keys.node), tunnel);
  rendezvous.join(tunnel.keys.node, NOW);
  assertEquals(rendezvous.find(tunnel.keys.node), undefined);
  assertEquals(rendezvous.find(tunnel.keys.client), tunnel);
  rendezvous.end(tunnel);
  assertEquals(rendezvous.find(tunnel.keys.client), undefined);
});
