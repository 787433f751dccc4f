/** Instances of one relay, with the real engine, over any store. */

import type { Endpoint } from "../../lib/base/conn.ts";
import type { Limits } from "../../lib/base/limits.ts";
import { listNodes } from "../../lib/client/listing.ts";
import type { Store } from "../../lib/cluster/store.ts";
import { StoreReplicator } from "../../lib/cluster/store_replicator.ts";
import type { RelayOptions } from "../../lib/relay/server.ts";
import { DEADLINE_MS } from "../_event_log.ts";
import { IDENTITIES, startRelay, type TestRelay } from "../_network.ts";
import { PATIENT } from "./_side.ts";

/** What all instances know. */
export const CLUSTER_SECRET = IDENTITIES[0]!.privateKeyPem;

/** Starts an instance, and waits until it is whole. */
export async function startInstance(
  store: Store,
  { limits = {}, address, ...options }: Partial<RelayOptions> & {
    limits?: Partial<Limits>;
    address?: Endpoint;
  } = {},
): Promise<TestRelay> {
  const replicator = new StoreReplicator({
    store,
    secret: CLUSTER_SECRET,
    limits: { ...PATIENT, ...limits },
  });
  return await startRelay({
    cluster: { replicator, ...(address === undefined ? {} : { address }) },
    limits: { ...PATIENT, ...limits },
    ...options,
  });
}

/** Waits until something holds, at any pace, but not forever. */
export async function eventually(
  what: () => boolean | Promise<boolean>,
): Promise<void> {
  // The wall clock: a test may set the other one forward.
  const until = Date.now() + DEADLINE_MS;
  while (!await what()) {
    if (Date.now() > until) {
      throw new Error(`did not happen in time: ${what}`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Waits until an instance lists nodes with these names, and no others. */
export async function untilListed(
  relay: TestRelay,
  ...names: string[]
): Promise<void> {
  await eventually(async () => {
    const { nodes } = await listNodes({ relay: relay.server.address });
    return nodes.map(({ name }) => name).sort().join() === names.join();
  });
}
