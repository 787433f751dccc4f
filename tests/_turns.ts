/**
 * Who gets a turn while there is much to do: the event loop, and the network.
 */

import { createServer } from "node:net";
import { clearImmediate, setImmediate } from "node:timers";

/**
 * Counts turns of the event loop, while each look at the clock takes a
 * millisecond, so that work of some looks is work of as many milliseconds.
 */
export class SteppedTurns implements Disposable {
  readonly #now = performance.now;
  #next: ReturnType<typeof setImmediate>;
  /** Turns so far. */
  count = 0;

  constructor() {
    let time = this.#now.call(performance);
    performance.now = () => time += 1;
    const turn = () => {
      this.count++;
      this.#next = setImmediate(turn);
    };
    this.#next = setImmediate(turn);
  }

  [Symbol.dispose](): void {
    performance.now = this.#now;
    clearImmediate(this.#next);
  }
}

/** Runs `body` with what sends a byte over loopback, and waits for it to come back. */
export async function withEcho(
  body: (echo: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", (bytes) => socket.write(bytes));
  });
  const listening = Promise.withResolvers<void>();
  server.listen({ host: "127.0.0.1", port: 0 }, listening.resolve);
  await listening.promise;
  const { port } = server.address() as { port: number };
  {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    const byte = new Uint8Array(1);
    const echo = async () => {
      await conn.write(byte);
      if (await conn.read(byte) !== 1) throw new Error("no echo");
    };
    await echo(); // both ends are there
    await body(echo);
  }
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  await closed.promise;
}
