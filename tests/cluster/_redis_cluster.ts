/** A Redis Cluster of real servers: three masters, and a copy of one of them. */

import type { Reply } from "../../lib/cluster/resp.ts";
import { ownPort } from "../_own_address.ts";
import { RedisServer } from "./_redis_server.ts";

const SLOT_COUNT = 16_384;

/** A cluster. Disposing ends all of its servers. */
export class RedisCluster implements AsyncDisposable {
  /** The master of the slot in question, and the others. */
  readonly owner: RedisServer;
  readonly others: readonly RedisServer[];
  /** A copy of the owner. */
  readonly copy: RedisServer;
  readonly #folder: string;

  private constructor(
    [owner, ...others]: RedisServer[],
    copy: RedisServer,
    folder: string,
  ) {
    this.owner = owner!;
    this.others = others;
    this.copy = copy;
    this.#folder = folder;
  }

  /** Starts one, and waits until each server knows all. */
  static async start(key: string): Promise<RedisCluster> {
    const folder = await Deno.makeTempDir();
    const servers: RedisServer[] = [];
    for (let n = 0; n < 4; n++) {
      servers.push(
        await RedisServer.start(
          ...["--cluster-enabled", "yes", "--dir", folder],
          ...["--cluster-config-file", `nodes-${n}.conf`],
          ...["--cluster-port", String(ownPort())],
          ...["--repl-diskless-sync-delay", "0"],
          // Nothing here waits for the servers to miss each other.
          ...["--cluster-node-timeout", "60000"],
        ),
      );
    }
    const [first] = servers;
    const copy = servers.pop()!;
    const slot = Number(await first!.ask("CLUSTER", "KEYSLOT", key));
    const share = Math.ceil(SLOT_COUNT / servers.length);
    for (const [n, server] of servers.entries()) {
      const to = Math.min(SLOT_COUNT, (n + 1) * share) - 1;
      const range = [String(n * share), String(to)];
      await server.ask("CLUSTER", "ADDSLOTSRANGE", ...range);
      await server.ask("CLUSTER", "SET-CONFIG-EPOCH", String(n + 1));
    }
    for (const server of [...servers.slice(1), copy]) {
      const { host, port } = server.at;
      const config = await server.ask("CONFIG", "GET", "cluster-port");
      const [, bus] = config as readonly Reply[];
      await first!.ask("CLUSTER", "MEET", host, String(port), String(bus));
    }
    const at = Math.floor(slot / share);
    const owner = servers.splice(at, 1)[0]!;
    const cluster = new RedisCluster([owner, ...servers], copy, folder);
    const id = String(await owner.ask("CLUSTER", "MYID"));
    await untilSays(copy, ["CLUSTER", "NODES"], id);
    await copy.ask("CLUSTER", "REPLICATE", id);
    await untilSays(copy, ["INFO", "replication"], "master_link_status:up");
    for (const server of [owner, ...servers, copy]) {
      await untilSays(server, ["CLUSTER", "INFO"], "cluster_state:ok");
      await untilSays(server, ["CLUSTER", "INFO"], "cluster_known_nodes:4");
    }
    return cluster;
  }

  /** Kills the owner; its copy takes its place. */
  async failOver(): Promise<void> {
    await this.owner.kill();
    await this.copy.ask("CLUSTER", "FAILOVER", "TAKEOVER");
    const id = String(await this.copy.ask("CLUSTER", "MYID"));
    for (const server of this.others) {
      const isMaster = new RegExp(`^${id} .* master .*\\d+-\\d+`, "m");
      await untilSays(server, ["CLUSTER", "NODES"], isMaster);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.owner, ...this.others, this.copy]) {
      await server[Symbol.asyncDispose]();
    }
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Asks until the answer has a text. */
async function untilSays(
  server: RedisServer,
  command: string[],
  wanted: string | RegExp,
): Promise<void> {
  for (;;) {
    const answer = String(await server.ask(...command));
    if (new RegExp(wanted).test(answer)) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}
