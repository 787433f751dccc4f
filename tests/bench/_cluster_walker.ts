/**
 * Reads whole lists from instances of a relay, in a worker, and counts the nodes
 * without a look into their entries: how soon an instance lists a node, and not
 * how soon a client with thousands of other things to do has read it.
 */

import { encodeMessage } from "../../lib/protocol/messages.ts";
import { type Exchange, greetFrom } from "./_big_relay.ts";

/** Wanted: so many nodes on the list of the instance at this port. */
export interface Wanted {
  readonly port: number;
  readonly count: number;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Wanted>) => void;
  postMessage: (listed: Wanted & { ms: number }) => void;
};
const exchanges = new Map<number, Promise<Exchange>>();
const decoder = new TextDecoder();

function exchangeWith(port: number): Promise<Exchange> {
  const known = exchanges.get(port);
  if (known !== undefined) return known;
  const target = { at: { host: "127.0.0.1", port }, plaintext: false };
  const made = greetFrom("127.0.0.9", target, "client")
    .then(({ exchange }) => exchange);
  exchanges.set(port, made);
  return made;
}

/** Nodes on all pages. */
async function walk(exchange: Exchange): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const list = { kind: "list", ...cursor === undefined ? {} : { cursor } };
    const answer = await exchange.ask(encodeMessage(list as { kind: "list" }));
    const text = decoder.decode(answer.subarray(5));
    count += text.split('"record":').length - 1;
    cursor = /"cursor":"([^"]+)"/.exec(text)?.[1];
  } while (cursor !== undefined);
  return count;
}

scope.onmessage = async ({ data }) => {
  const startedAt = performance.now();
  const exchange = await exchangeWith(data.port);
  while (await walk(exchange) !== data.count);
  scope.postMessage({ ...data, ms: performance.now() - startedAt });
};
