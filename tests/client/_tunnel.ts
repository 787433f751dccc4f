import type { Endpoint } from "../../lib/base/conn.ts";
import type { NodeOptions } from "../../lib/mod.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { startNode, type TestNode, type TestRelay } from "../_network.ts";

export const BYTES = randomBytes(3_000_000, seededRandom(1));

/** An address at which nobody listens. */
export function closedAddress(): Endpoint {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { host: "127.0.0.1", port: listener.addr.port };
}

/** A node that cannot be dialled at its address. */
export function startUnreachable(
  relay: TestRelay,
  options: Partial<NodeOptions> = {},
): Promise<TestNode> {
  return startNode(relay, { "a.bin": BYTES }, {
    advertise: closedAddress(),
    ...options,
  });
}
