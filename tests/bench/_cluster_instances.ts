/** Instances of one relay for a measurement, each a process. */

import type { Endpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { listNodes } from "../../lib/client/listing.ts";
import { type RelayProcess, spawnRelay } from "../e2e/_processes.ts";
import { ownPort } from "../_own_address.ts";
import { cpuSecondsOf } from "./_measuring.ts";

/** One instance. */
export class ClusterInstance {
  readonly address: Endpoint = { host: "127.0.0.1", port: ownPort() };
  readonly #metrics = `127.0.0.1:${ownPort()}`;
  readonly #args: readonly string[];
  #relay: RelayProcess | null = null;

  constructor(state: string, redisPort: number) {
    const { host, port } = this.address;
    this.#args = [
      ...["--state", state, "--quiet", "--metrics", this.#metrics],
      ...["--cluster", `redis://127.0.0.1:${redisPort}/0`],
      ...["--advertise-instance", `${host}:${port}`, String(port)],
    ];
  }

  get id(): string {
    return this.#relay!.id;
  }

  async start(state: string): Promise<void> {
    this.#relay = await spawnRelay(this.#args, {
      permissions: [`--allow-read=${state}`, `--allow-write=${state}`],
    });
  }

  /** Kills it, as a machine that fails. */
  async kill(): Promise<void> {
    this.#relay?.signal("SIGKILL");
    await this.#relay?.exitCode;
    this.#relay = null;
  }

  /** The value of a metric. */
  async metric(name: string): Promise<number> {
    const text = await this.#get("metrics");
    const found = new RegExp(`^relay_p2p_${name} (\\S+)$`, "m").exec(text);
    if (found === null) throw new Error(`no metric ${name}`);
    return Number(found[1]);
  }

  /** Nodes that are registered here. */
  async ownCount(): Promise<number> {
    const text = await this.#get("metrics");
    const valueOf = (name: string) =>
      Number(new RegExp(`^relay_p2p_${name} (\\S+)$`, "m").exec(text)?.[1]);
    return valueOf("leases") - valueOf("cluster_leases");
  }

  /** How much it knows, as it says. */
  async health(): Promise<unknown> {
    return JSON.parse(await this.#get("healthz")).cluster;
  }

  /** Nodes that a client gets; -1 if it gets no answer in time. */
  async listedCount(): Promise<number> {
    try {
      return (await listNodes({ relay: this.address })).nodes.length;
    } catch (error) {
      if (error instanceof Failure) return -1;
      throw error;
    }
  }

  /** Processor time so far, in milliseconds. */
  async cpuMs(): Promise<number> {
    return 1_000 * await cpuSecondsOf([String(this.#relay!.pid)]);
  }

  async #get(path: string): Promise<string> {
    for (let tries = 0;; tries++) {
      try {
        return await (await fetch(`http://${this.#metrics}/${path}`)).text();
      } catch (error) {
        // A connection that was kept may have been closed meanwhile.
        if (tries >= 3 || !(error instanceof TypeError)) throw error;
      }
    }
  }
}

/** Instances of one relay. Disposing ends them. */
export class ClusterInstances implements AsyncDisposable {
  readonly all: readonly ClusterInstance[];
  readonly #state: string;
  #front: Worker | null = null;

  constructor(all: readonly ClusterInstance[], state: string) {
    this.all = all;
    this.#state = state;
  }

  /** Opens a front of some; returns its port. */
  async openFront(instances: readonly ClusterInstance[]): Promise<number> {
    const url = import.meta.resolve("./_cluster_front.ts");
    this.#front = new Worker(url, { type: "module" });
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#front.onmessage = ({ data }) => resolve(data);
    const port = await promise;
    this.#front.postMessage(instances.map(({ address }) => address.port));
    return port;
  }

  /** The id of the relay. */
  get relayId(): string {
    return this.all[0]!.id;
  }

  async restart(instance: ClusterInstance): Promise<void> {
    await instance.start(this.#state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#front?.terminate();
    for (const instance of this.all) await instance.kill();
    await Deno.remove(this.#state, { recursive: true });
  }
}

/** Starts some that meet in a Redis. The first makes the identity. */
export async function startInstances(
  redisPort: number,
  count: number,
): Promise<ClusterInstances> {
  const state = await Deno.makeTempDir();
  const all = Array.from(
    { length: count },
    () => new ClusterInstance(state, redisPort),
  );
  for (const instance of all) await instance.start(state);
  return new ClusterInstances(all, state);
}
