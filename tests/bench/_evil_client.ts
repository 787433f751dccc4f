/**
 * A member of a swarm that announces all of a file, in a process of its own:
 * `liar` sends wrong bytes, `idler` sends nothing. Ends when it is killed.
 */

import { LIMITS } from "../../lib/base/limits.ts";
import { parseRelayAddress } from "../../lib/base/address.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import { HolderLease } from "../../lib/uplink/holder_lease.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { startEvilNode, staySilent } from "../_evil_node.ts";
import { describeBytes, honestExcept, sendWrongBytes } from "../_lies.ts";
import { print } from "./_report.ts";

const [kind = "", relayText = "", path = ""] = Deno.args;
const bytes = await Deno.readFile(path);
const relay = parseRelayAddress(relayText);
const identity = await createIdentity();
const lie = honestExcept(
  { "big.iso": bytes },
  kind === "liar" ? { piece: sendWrongBytes } : { read: staySilent },
);
const nobody = { server: { address: relay }, identity };
await using evil = await startEvilNode(nobody, {
  ...{ identity, lie, isListed: false },
});
await using lease = new HolderLease({
  dialer: new RelayDialer(relay, {
    ...{ role: "client", plaintext: false, access: {} },
    ...{ limits: LIMITS, onEvent: () => {} },
  }),
  serving: { identity, addressesFrom: () => [evil.address] },
  limits: LIMITS,
  onEvent: ({ event }) => print(event),
});
lease.hold(describeBytes("big.iso", bytes).manifest.contentId);
await new Promise<never>(() => setInterval(() => {}, 1_000));
