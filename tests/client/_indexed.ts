/**
 * Nodes with an index, and what clients find by it.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { Failure } from "../../lib/base/errors.ts";
import { browseFiles } from "../../lib/client/listing.ts";
import { sumFiles } from "../../lib/client/sums.ts";
import {
  encodeFingerprints,
  fingerprintOf,
  indexKeyId,
} from "../../lib/content/fingerprints.ts";
import { greet } from "../../lib/protocol/hello.ts";
import { DIRECTION } from "../../lib/protocol/messages.ts";
import { signRegistration } from "../../lib/protocol/signed_record.ts";
import { createIdentity } from "../../lib/identity/identity.ts";
import type { NodeOptions } from "../../lib/node/server.ts";
import { openChannel, startNode, type TestRelay } from "../_network.ts";
import { tempShare } from "../_temp_share.ts";
import {
  ClientLog,
  filesIn,
  get,
  type GetTestOptions,
  pinned,
} from "./_outcomes.ts";

/** Makes a client use the index of any relay, however small. */
export const BY_INDEX = { limits: { askAllCount: 0 } };
/** Nodes report changes quickly, as far as the relay's renewals allow. */
export const QUICK = { limits: { indexPauseMs: 1, renewMinSeconds: 1 } };
export const QUICK_RELAY = {
  limits: { renewSeconds: 1, reregisterCount: 1_000 },
};

export type Files = Readonly<Record<string, string>>;

/** Starts a node, and waits until it has sent its index, if it has one. */
export async function startIndexed(
  relay: TestRelay,
  files: Files,
  options: Partial<NodeOptions> = {},
) {
  const node = await startNode(relay, files, {
    identity: await createIdentity(),
    ...options,
  });
  if (options.index !== false) await node.log.until("indexed");
  return node;
}

/** Nodes "n0", "n1" and so on. */
export async function startAll(relay: TestRelay, shares: readonly Files[]) {
  const stack = new AsyncDisposableStack();
  for (const [n, files] of shares.entries()) {
    stack.use(await startIndexed(relay, files, { name: `n${n}` }));
  }
  return stack;
}

/** The names of the nodes that were asked for a file. */
export function askedIn(log: ClientLog): string[] {
  const names = log.of("node_answered").map(({ node }) => node.name);
  return [...new Set(names)].sort();
}

/** Nodes in the last list, and how many there were in all. */
export function listedIn(log: ClientLog): [string[], number | undefined] {
  const { nodes, countOfAll } = log.of("nodes_listed").at(-1)!;
  return [nodes.map(({ name }) => name).sort(), countOfAll];
}

export const SHARES = [
  { "a": "a" },
  { "b": "b", "photos/x.jpg": "x" },
  { "c": "c", "work/deep/x.jpg": "x" },
  { "a": "a", "d": "d" },
];

/** What `ls` lists, with the number of nodes that have it. */
export async function listed(
  relay: TestRelay,
  wanted: string,
  options: Partial<GetTestOptions> = {},
) {
  const log = new ClientLog();
  const { onEvent } = log;
  const selection = parseSelection(wanted);
  assert(selection.kind === "matching");
  const files = await browseFiles({
    ...{ relay: pinned(relay), onEvent },
    ...selection,
    ...options,
  });
  const names = Array.from(
    files,
    ({ name, nodeCount }) => `${name} ${nodeCount}`,
  );
  const { unaskedCount } = files;
  return { names, unaskedCount, nodes: listedIn(log)[0] };
}

/** What `sums` prints, or the kind of its failure. */
export async function runSums(
  relay: TestRelay,
  wanted: string,
  options: Partial<GetTestOptions> = {},
) {
  const log = new ClientLog();
  const { onEvent } = log;
  const selection = parseSelection(wanted);
  const matching = selection.kind === "matching" ? selection : {
    ...{ name: wanted, prefix: wanted },
    matches: (name: string) => name === wanted,
  };
  const sums: string[] = [];
  let message = "";
  try {
    const all = sumFiles({
      ...{ relay: pinned(relay), onEvent },
      ...matching,
      ...options,
    });
    for await (const sum of all) {
      const { name } = sum;
      sums.push(
        "failure" in sum
          ? `${sum.failure.kind}  ${name}`
          : `${sum.sha256}  ${name}`,
      );
    }
  } catch (error) {
    assert(error instanceof Failure);
    message = error.message;
  }
  return { sums, message, nodes: listedIn(log)[0] };
}

/** What a get saved, with contents, and the kinds of its failures. */
export async function savedBy(
  relay: TestRelay,
  wanted: string,
  options: GetTestOptions,
) {
  await using folder = await tempShare();
  const { failed, log } = await get(relay, folder.path, [
    parseSelection(wanted),
  ], { anywhere: true, ...options });
  const files = filesIn(folder.path).map((name) =>
    `${name}: ${Deno.readTextFileSync(join(folder.path, name))}`
  );
  return { files, failed, count: listedIn(log)[0].length };
}

/** Registers nodes that answer nobody, some with an index. */
export async function registerMany(
  relay: TestRelay,
  names: readonly (readonly string[])[],
  { indexKey }: { indexKey?: Uint8Array } = {},
): Promise<void> {
  const { address } = relay.server;
  const key = indexKey ?? await indexKeyOf(relay);
  for (const own of names) {
    await using channel = await openChannel(address, relay.identity);
    const { hello } = await greet(channel, { role: "node" }) as {
      hello: { id: string; nonce: string };
    };
    const signed = await signRegistration({
      ...{ purpose: "register", relay: hello.id, nonce: hello.nonce },
      ...{ instance: "test-test", sequence: 1, name: own.join() },
      addresses: [{ host: "127.0.0.1", port: 9 }],
    }, await createIdentity());
    await channel.send({ kind: "register", ...signed });
    await channel.receive(DIRECTION.relayToNode);
    const add = encodeFingerprints(
      own.map((name) => fingerprintOf(key, "name", name)).sort((a, b) => a - b),
    );
    await channel.send({
      ...{ kind: "index", epoch: "e", version: 1, add, remove: "" },
      begin: true,
      ...(indexKey === undefined ? {} : { key: indexKeyId(indexKey) }),
    });
    const answer = await channel.receive(DIRECTION.relayToNode);
    assertEquals(answer, { kind: "indexed", outcome: "taken" });
  }
}

export async function indexKeyOf({ identity }: TestRelay): Promise<Uint8Array> {
  const text = new TextEncoder().encode(`relay-p2p index 1\n${identity.id}`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", text));
}
