/**
 * `--cluster`: makes a relay one of several instances that share a Redis.
 * Loaded only with that option.
 *
 * @module
 */

import { readSecretFile } from "../../access/secret_file.ts";
import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { requireNet } from "../../base/permission.ts";
import { parseRedisAddress } from "../../cluster/redis_address.ts";
import { RedisStore } from "../../cluster/redis_store.ts";
import { StoreReplicator } from "../../cluster/store_replicator.ts";
import type { RelayOptions } from "../../relay/server.ts";
import { variableOf } from "../options/option_table.ts";
import type { RoleContext } from "./role.ts";

/**
 * The options of the relay that name the other instances.
 *
 * @throws {Failure} of kind `usage`, `local` or `not_allowed`.
 */
export async function clusterOptions(
  context: RoleContext,
  { identity, host }: Pick<RelayOptions, "identity" | "host">,
): Promise<Required<Pick<RelayOptions, "cluster">>> {
  const { line } = context;
  const text = await clusterText(context);
  if (text === undefined) {
    throw unusable("advertise-instance", "it needs --cluster URL");
  }
  const address = parseRedisAddress(text);
  if (address === undefined) {
    throw unusable(
      "cluster",
      "wanted redis://HOST[:PORT][/DB] or rediss://HOST[:PORT][/DB], " +
        "with USER:PASSWORD@ before HOST if there is a password",
    );
  }
  const { password } = address;
  if (password !== undefined) conceal(context, password);
  if (identity === undefined) {
    throw unusable(
      "cluster",
      "all instances need the same identity: give each --state DIR with a " +
        "copy of one identity.pem",
    );
  }
  const at = line.get("advertise-instance");
  if (at === undefined && (host === undefined || isEverywhere(host))) {
    throw unusable(
      "cluster",
      "the other instances need an address of this one: " +
        "give --advertise-instance HOST:PORT",
    );
  }
  requireNet(address.endpoint);
  const store = new RedisStore({
    address,
    relayId: identity.id,
    limits: LIMITS,
  });
  const secret = identity.privateKeyPem;
  const replicator = new StoreReplicator({ store, secret, limits: LIMITS });
  return {
    cluster: { replicator, ...(at === undefined ? {} : { address: at }) },
  };
}

/** The URL of the Redis: from an option, a variable or a file. */
async function clusterText(
  context: RoleContext,
): Promise<string | undefined> {
  const { line, terminal } = context;
  const path = line.value("cluster-file");
  const text = line.value("cluster");
  const isTyped = line.typed.includes("cluster");
  if (isTyped && line.typed.includes("cluster-file")) {
    throw unusable("cluster", "it excludes --cluster-file");
  }
  if (isTyped || path === undefined) {
    if (isTyped && parseRedisAddress(text!)?.password !== undefined) {
      terminal.note(
        "warning: --cluster: anyone who can list this machine's processes can " +
          "read the password; use --cluster-file FILE or " +
          variableOf("cluster"),
      );
    }
    return text;
  }
  return await readSecretFile(path, "cluster");
}

/** Hides a password in the output, plain and as it is encoded in a URL. */
function conceal({ terminal }: RoleContext, password: string): void {
  terminal.conceal(password);
  terminal.conceal(encodeURIComponent(password));
}

function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function unusable(option: string, why: string): Failure {
  return new Failure("usage", { what: `Cannot use --${option}`, why });
}
