/**
 * Attackers of fewer addresses than there are places for tunnels do whatever they
 * like: an honest client that comes at any moment gets a tunnel at once, and does
 * not lose its last one.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LIMITS } from "../../lib/base/limits.ts";
import { Rendezvous, type Tunnel } from "../../lib/relay/rendezvous.ts";
import { holds } from "./_runs.ts";

const PER_NODE = 6;
const IN_ALL = 10;

type Deed =
  | { readonly does: "open"; readonly who: number; readonly node: string }
  | { readonly does: "join" | "move" | "end"; readonly at: number }
  | { readonly does: "wait"; readonly ms: number };

const at = fc.nat({ max: 11 });

/** What `count` addresses do with tunnels to `nodes`. */
function deedsOf(
  count: number,
  nodes: readonly string[],
): fc.Arbitrary<Deed[]> {
  const open = fc.tuple(fc.nat({ max: count - 1 }), fc.constantFrom(...nodes))
    .map(([who, node]): Deed => ({ does: "open", who, node }));
  const later = fc.tuple(fc.constantFrom("join", "move", "end"), at)
    .map(([does, at]): Deed => ({ does, at }));
  const wait = fc.constantFrom(1, 2_500, 5_000, 30_000)
    .map((ms): Deed => ({ does: "wait", ms }));
  const deed = fc.oneof({ weight: 4, arbitrary: open }, later, wait);
  return fc.array(deed, { maxLength: 60, size: "max" });
}

class World {
  readonly rendezvous = new Rendezvous({
    ...LIMITS,
    tunnelCount: IN_ALL,
    tunnelsPerNodeCount: PER_NODE,
    tunnelsPerAddressCount: 4,
  });
  now = 0;
  #count = 0;
  /** Tunnels of attackers, some of which have ended. */
  readonly #tunnels: Tunnel[] = [];

  open(source: string, node: string): Tunnel | undefined {
    const name = ++this.#count;
    const keys = { client: `${name} client`, node: `${name} node` };
    const request = { node, source, client: "", keys };
    const outcome = this.rendezvous.open(request, this.now);
    return outcome.kind === "opened" ? outcome.tunnel : undefined;
  }

  join({ keys }: Tunnel): void {
    this.rendezvous.join(keys.client, this.now);
    this.rendezvous.join(keys.node, this.now);
  }

  happen(deed: Deed): void {
    if (deed.does === "open") {
      const tunnel = this.open(`attacker ${deed.who}`, deed.node);
      if (tunnel !== undefined) this.#tunnels.push(tunnel);
    } else if (deed.does === "wait") {
      this.now += deed.ms;
      this.rendezvous.expire(this.now);
    } else {
      const tunnel = this.#tunnels.at(-1 - deed.at);
      if (tunnel === undefined || tunnel.phase === "ended") return;
      if (deed.does === "join") this.join(tunnel);
      else if (deed.does === "end") this.rendezvous.end(tunnel);
      else this.rendezvous.moved(tunnel, this.now);
    }
  }
}

for (
  const { what, count, nodes } of [
    { what: "one node", count: PER_NODE - 1, nodes: ["a"] },
    { what: "all nodes", count: IN_ALL - 1, nodes: ["a", "b", "c", "d"] },
  ]
) {
  holds(
    `row 1045: a newcomer gets a tunnel at once and keeps it, whatever ${count} addresses do with the tunnels to ${what}`,
    [deedsOf(count, nodes), deedsOf(count, nodes), fc.boolean()],
    (before, after, joins) => {
      const world = new World();
      for (const deed of before) world.happen(deed);
      const honest = world.open("honest", what === "one node" ? "a" : "new");
      assert(honest !== undefined, "it is refused");
      if (joins) world.join(honest);
      for (const deed of after) {
        world.happen(deed);
        if (!joins && world.now >= honest.joinBefore) break;
        assert(honest.phase !== "ended", JSON.stringify(deed));
      }
      assertEquals(world.rendezvous.count <= IN_ALL, true);
    },
  );
}
