/**
 * Look-ups of one name at a relay: each node sends an index, and clients on open
 * connections ask which node has a name.
 */

import {
  encodeFingerprints,
  fingerprintOf,
} from "../../lib/content/fingerprints.ts";
import { encodeMessage, type MessageOf } from "../../lib/protocol/messages.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { seededRandom } from "../_random.ts";
import { type Exchange, messageIn } from "./_big_relay.ts";
import { type Cost, loopCost, ratePerSecond } from "./_figures.ts";
import { print } from "./_report.ts";

/** Names that clients ask for again and again. */
const HOT_NAMES = 100;

/** Cost of look-ups of a few popular names, and of any name. */
export interface NameRates {
  readonly hot: Cost;
  readonly any: Cost;
}

/** Base64 of the fingerprint of the `n`th node's only name. */
function fingerprintsOf(n: number, key: string): string {
  const bytes = Uint8Array.fromBase64(key);
  return encodeFingerprints([fingerprintOf(bytes, "name", `name-${n}`)]);
}

/** Sends the index of the `n`th node, which has one name. */
export async function sendIndex(
  n: number,
  { exchange, key }: { exchange: Exchange; key: string },
): Promise<void> {
  const message = encodeMessage({
    ...{ kind: "index", epoch: "bench", version: 1, begin: true },
    ...{ add: fingerprintsOf(n, key), remove: "" },
  });
  const { outcome } = messageIn(await exchange.ask(message), "indexed");
  if (outcome !== "taken") throw new Error(outcome);
}

/** Sends the indexes of all nodes. */
export async function sendIndexes(
  nodes: readonly { exchange: Exchange }[],
  key: string,
): Promise<void> {
  const rate = await ratePerSecond(
    [...nodes.entries()],
    async ([n, { exchange }]) => {
      await sendIndex(n, { exchange, key });
    },
  );
  print(`  indexes of one name each: ${rate.toFixed(0)} a second`);
}

/** Measures look-ups over new connections; each answer has one node. */
export async function nameRates(
  overConnections: (
    work: (clients: readonly Exchange[]) => Promise<Cost>,
  ) => Promise<Cost>,
  { pid, key, nodes }: { pid: number; key: string; nodes: number },
): Promise<NameRates> {
  const random = seededRandom(16);
  const requests = Array.from(
    { length: Math.min(nodes, 10_000) },
    (_, n) =>
      encodeMessage({
        ...{ kind: "list", most: LIMITS.askAllCount },
        fingerprints: fingerprintsOf(n, key),
      }),
  );
  const rate = (count: number) =>
    overConnections(async (clients) => {
      await expectOneNode(clients[0]!, requests[0]!);
      return await loopCost(pid, clients, async (client) => {
        await client.ask(requests[Math.floor(random() * count)]!);
      });
    });
  return {
    hot: await rate(Math.min(HOT_NAMES, requests.length)),
    any: await rate(requests.length),
  };
}

async function expectOneNode(
  client: Exchange,
  request: Uint8Array,
): Promise<void> {
  const answer: MessageOf<"nodes"> = messageIn(
    await client.ask(request),
    "nodes",
  );
  if (answer.nodes.length !== 1 || answer.index?.unindexed !== 0) {
    throw new Error(`${answer.nodes.length} nodes may have one name`);
  }
}
