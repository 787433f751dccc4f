/** A `redis-server` of its own for a test. */

import type { Endpoint } from "../../lib/base/conn.ts";
import { LIMITS, type Limits } from "../../lib/base/limits.ts";
import { RedisStore } from "../../lib/cluster/redis_store.ts";
import { parseRedisAddress } from "../../lib/cluster/redis_address.ts";
import { RedisConn } from "../../lib/cluster/redis_conn.ts";
import type { Reply } from "../../lib/cluster/resp.ts";
import { dialService } from "../../lib/transport/service_conn.ts";
import { ownPort } from "../_own_address.ts";

const PROGRAM = "redis-server";

/** A server. Disposing ends it. */
export class RedisServer implements AsyncDisposable {
  readonly at: Endpoint;
  readonly #extra: readonly string[];
  #child: Deno.ChildProcess | null = null;

  private constructor(port: number, extra: readonly string[]) {
    this.at = { host: "127.0.0.1", port };
    this.#extra = extra;
  }

  /** Starts one with further arguments. */
  static async start(...extra: string[]): Promise<RedisServer> {
    const server = new RedisServer(ownPort(), extra);
    await server.start();
    return server;
  }

  /** One that is not started yet. */
  static unstarted(...extra: string[]): RedisServer {
    return new RedisServer(ownPort(), extra);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.at.port}/0`;
  }

  /** Starts it, again after it was killed. It has nothing of before. */
  async start(): Promise<void> {
    const isPlain = !this.#extra.includes("--tls-port");
    this.#child = new Deno.Command(PROGRAM, {
      args: [
        ...["--port", isPlain ? String(this.at.port) : "0"],
        ...["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        ...this.#extra.map((word) =>
          word === "PORT" ? String(this.at.port) : word
        ),
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0;; tries++) {
      try {
        using _conn = await Deno.connect({
          hostname: this.at.host,
          port: this.at.port,
        });
        return;
      } catch (error) {
        if (tries > 500) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  signal(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  /** Kills it. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    child.kill("SIGCONT");
    child.kill("SIGKILL");
    await child.status;
  }

  /** What it answers to one command. */
  async ask(...words: string[]): Promise<Reply> {
    using redis = new RedisConn(
      await dialService(this.at, { encrypted: false, timeoutMs: 10_000 }),
      LIMITS.clusterReplyBytes,
    );
    return await redis.request(words, { timeoutMs: 10_000 });
  }

  /** The store of a relay in it. */
  store(
    limits: Limits,
    { relayId = "relayrelayrelay1", url = this.url, caCerts = [] }: {
      relayId?: string;
      url?: string;
      caCerts?: string[];
    } = {},
  ): RedisStore {
    const address = parseRedisAddress(url)!;
    return new RedisStore({ address, relayId, limits, caCerts });
  }

  /** Puts an item there by hand. */
  async put(tag: string, key: string, value: string): Promise<void> {
    await this.ask("SET", key, value);
    await this.ask("ZADD", `${tag}:x`, "9999999999999", key);
  }

  /** Adds a batch to the stream, as if an instance had. */
  async announce(tag: string, head: string): Promise<void> {
    const count = await this.ask("INCR", `${tag}:c`);
    await this.ask("XADD", `${tag}:log`, "*", "c", String(count), "h", head);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
