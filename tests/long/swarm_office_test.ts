/** Clients of one office, which relay and seed see at one address. */

import { assert, assertEquals } from "@std/assert";
import { fetchInOffice } from "./_office.ts";
import { whyNoNetworks } from "./_namespaces.ts";

const COUNT = 24;
const MIB = 1024 ** 2;

const why = await whyNoNetworks();
const title = "All of 24 clients behind one address take part in a swarm";

Deno.test({
  name: why === undefined ? title : `${title} (skipped: ${why})`,
  ignore: why !== undefined,
  fn: async () => {
    const fetched = await fetchInOffice({
      ...{ count: COUNT, processes: 1, rate: 400_000, bytes: 8 * MIB },
    });
    assertEquals(fetched.length, COUNT);
    for (const { why, nodes, clients } of fetched) {
      assertEquals(why, undefined);
      assertEquals(nodes + clients, 8 * MIB);
      assert(clients > 0, "it got nothing from others");
    }
  },
});
