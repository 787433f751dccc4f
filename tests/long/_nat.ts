/**
 * A network with routers that translate addresses: a core, one machine that the
 * core can dial, and machines behind a router each. For root on Linux.
 */

import { connect, run, startGuard } from "./_namespaces.ts";

/** The network. Disposing removes all of it. */
export interface NatNetwork extends AsyncDisposable {
  /** Runs what follows in the core. */
  readonly core: readonly string[];
  /** Where everybody finds the core. */
  readonly coreHost: string;
  /** The machine that can be dialled. */
  readonly open: readonly string[];
  /** Machines behind routers. */
  readonly hidden: readonly (readonly string[])[];
}

/** Makes a network with so many machines behind routers. */
export async function openNatNetwork(count: number): Promise<NatNetwork> {
  // Names of cables have at most 15 characters.
  const name = `rn${crypto.randomUUID().slice(0, 8)}`;
  const numbers = [...Array(count).keys()];
  const core = `${name}c`, open = `${name}o`;
  const routers = numbers.map((n) => `${name}r${n}`);
  const hidden = numbers.map((n) => `${name}h${n}`);
  const spaces = [core, open, ...routers, ...hidden];
  const guard = startGuard(spaces);
  try {
    for (const space of spaces) {
      await run(["ip", "netns", "add", space]);
      await run(["ip", "-n", space, "link", "set", "lo", "up"]);
    }
    await connect(core, open, "10.78.0");
    await passOn(core);
    for (const n of numbers) {
      const router = routers[n]!;
      await connect(core, router, `10.78.${n + 1}`);
      await connect(router, hidden[n]!, "192.168.17");
      await passOn(router);
      await run([...within(router), "nft", "-f", "-"], translating(router));
    }
  } catch (error) {
    await guard.end();
    throw error;
  }
  return {
    core: within(core),
    coreHost: "10.78.0.1",
    open: within(open),
    hidden: hidden.map(within),
    [Symbol.asyncDispose]: () => guard.end(),
  };
}

function within(space: string): string[] {
  return ["ip", "netns", "exec", space];
}

function passOn(space: string): Promise<void> {
  const forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
  return run([...within(space), "sh", "-c", forward]);
}

/** A home's router: what it has not seen leave does not come in. */
function translating(router: string): string {
  return `table ip nat {
  chain out {
    type nat hook postrouting priority 100
    oifname ${router}1 masquerade
  }
}
table inet filter {
  chain through {
    type filter hook forward priority 0
    iifname ${router}1 ct state new drop
  }
  chain in {
    type filter hook input priority 0
    iifname ${router}1 ct state new drop
  }
}
`;
}
