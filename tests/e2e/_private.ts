/**
 * A private relay and what belongs to it, as processes: a secret in a file,
 * tokens in files, a node, and clients.
 */

import { join } from "@std/path";
import {
  formatToken,
  tokenOf,
  type TokenRole,
} from "../../lib/access/token.ts";
import type { NodeOptions } from "../../lib/node/server.ts";
import type { RelayOptions } from "../../lib/relay/server.ts";
import { randomBytes } from "../_random.ts";
import {
  type NodeHere,
  nodeHere,
  type RelayHere,
  relayHere,
} from "../_scenery.ts";
import { tempShare } from "../_temp_share.ts";
import {
  type NodeProcess,
  type RelayProcess,
  runRole,
  spawnRelay,
  spawnRole,
} from "./_processes.ts";

/** Secrets in files that are their owner's alone. */
export interface Keys extends AsyncDisposable {
  readonly folder: string;
  readonly secret: Uint8Array<ArrayBuffer>;
  /** Its text. */
  readonly secretText: string;
  readonly secretFile: string;
  readonly tokens: Readonly<Record<TokenRole, string>>;
  readonly tokenFiles: Readonly<Record<TokenRole, string>>;
}

/** Writes a word that nobody else may read. */
export async function writeSecret(path: string, word: string): Promise<void> {
  await Deno.writeTextFile(path, `${word}\n`, { mode: 0o600 });
}

/** Makes a secret and its tokens. */
export async function makeKeys(random = Math.random): Promise<Keys> {
  const { path: folder, ...temp } = await tempShare();
  const secret = randomBytes(32, random);
  const secretText = secret.toHex();
  const secretFile = join(folder, "secret");
  await writeSecret(secretFile, secretText);
  const tokens = {
    node: formatToken(tokenOf(secret, "node")),
    client: formatToken(tokenOf(secret, "client")),
  };
  const tokenFiles = {
    node: join(folder, "node.token"),
    client: join(folder, "client.token"),
  };
  for (const role of ["node", "client"] as const) {
    await writeSecret(tokenFiles[role], tokens[role]);
  }
  return {
    folder,
    secret,
    secretText,
    secretFile,
    tokens,
    tokenFiles,
    ...temp,
  };
}

/** Starts a relay with the secret. */
export function spawnPrivateRelay(
  { folder, secretFile }: Keys,
  args: readonly string[] = [],
): Promise<RelayProcess> {
  return spawnRelay(["--secret-file", secretFile, ...args, "0"], {
    permissions: [`--allow-read=${folder}`],
  });
}

/** A relay with the secret, in this process. */
export function privateRelayHere(
  { secret }: Keys,
  options: Partial<RelayOptions> = {},
): Promise<RelayHere> {
  return relayHere({ secrets: { current: secret }, ...options });
}

/** A node with its token, in this process, that shares `directory`. */
export function privateNodeHere(
  { secret }: Keys,
  relay: { address: string },
  directory: string,
  options: Partial<NodeOptions> = {},
): Promise<NodeHere> {
  const token = tokenOf(secret, "node");
  return nodeHere(relay, directory, { token, ...options });
}

/** Starts a node with its token, at a relay's port, and waits until it is listed. */
export async function spawnPrivateNode(
  { folder, tokenFiles }: Keys,
  { port, share, args = [] }: {
    port: string | number;
    share: string;
    args?: readonly string[];
  },
): Promise<NodeProcess> {
  const node = spawnRole("peer_node.ts", [
    ...["--host", "127.0.0.1", "--token-file", tokenFiles.node, ...args],
    ...["127.0.0.1", String(port), "0", share],
  ], { permissions: [`--allow-read=${folder},${share}`] });
  const [, nodePort = ""] = await node.stdout.until(
    /node listening on .*:(\d+)|"node_listening".*"port":\d+/,
  );
  await node.stdout.until(/registered with |"event":"registered"/);
  return Object.assign(node, { port: nodePort, id: "" });
}

/** Runs a client that may read the keys, and read and write a folder. */
export function runClient(
  { folder }: Keys,
  args: readonly string[],
  { into, ...options }: Parameters<typeof runRole>[2] & { into?: string } = {},
): ReturnType<typeof runRole> {
  const read = into === undefined ? folder : `${folder},${into}`;
  const write = into === undefined ? [] : [`--allow-write=${into}`];
  return runRole("peer_client.ts", args, {
    ...options,
    permissions: [
      `--allow-read=${read}`,
      ...write,
      ...options.permissions ?? [],
    ],
  });
}
