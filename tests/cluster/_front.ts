/** A TCP load balancer before one or more instances of a relay. */

import type { Endpoint } from "../../lib/base/conn.ts";
import { dialFrom } from "../bench/_big_relay.ts";

/** A load balancer. Disposing closes its connections. */
export class Front implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #conns = new Set<Passed>();
  /** Where connections go; `null` closes them. */
  to: Endpoint | null = null;
  /** How many of the next connections are closed at once. */
  refuses = 0;
  /** How many of the next connections get no answer. */
  ignores = 0;
  /** The address that it dials from; by default the system's choice. */
  from: string | undefined;
  /** Connections that were accepted. */
  count = 0;

  /** Listens at a port of its own. */
  constructor() {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    void this.#accept();
  }

  get address(): Endpoint {
    return { host: "127.0.0.1", port: this.#listener.addr.port };
  }

  async #accept(): Promise<void> {
    try {
      for (;;) {
        const conn = await this.#listener.accept();
        this.count++;
        void this.#pass(conn);
      }
    } catch {
      // closed
    }
  }

  async #pass(conn: Deno.TcpConn): Promise<void> {
    this.#conns.add(conn);
    if (this.ignores > 0) {
      this.ignores--;
      return;
    }
    if (this.to === null || this.refuses > 0) {
      this.refuses--;
      return this.#end(conn);
    }
    const { host: hostname, port } = this.to;
    const there = this.from === undefined
      ? await Deno.connect({ hostname, port }).catch(() => null)
      : await dialFrom(this.from, { at: this.to, plaintext: true });
    if (there === null) return this.#end(conn);
    this.#conns.add(there);
    await Promise.all([copy(conn, there), copy(there, conn)]).catch(() => {});
    this.#end(conn);
    this.#end(there);
  }

  #end(conn: Passed): void {
    if (this.#conns.delete(conn)) conn.close();
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.hangUp();
  }

  /** Ends all that goes through it. */
  hangUp(): void {
    for (const conn of this.#conns) this.#end(conn);
  }
}

type Passed = Pick<Deno.TcpConn, "read" | "write" | "close" | "closeWrite">;

async function copy(from: Passed, to: Passed): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) break;
    for (let at = 0; at < count;) {
      at += await to.write(buffer.subarray(at, count));
    }
  }
  await to.closeWrite();
}
