/**
 * A TCP proxy in which everything can go wrong on the way: late, slow, in
 * crumbs, not at all, cut off, or with one bit changed. It stands where a node
 * says that it is. On sockets of node:net, for those alone can be reset.
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import { delay } from "@std/async/delay";

/** What goes wrong in one direction of every connection. */
export interface Faults {
  /** How long each byte is on the way. */
  readonly delayMs?: number;
  /** How many of them arrive in a second. */
  readonly bytesPerSecond?: number;
  /** How many arrive at once. */
  readonly sliceBytes?: number;
  /** After so many bytes nothing is passed on, and nothing more is taken. */
  readonly stallAfter?: number;
  /** After so many bytes everything is taken, and nothing passed on. */
  readonly swallowAfter?: number;
  /** After so many bytes both connections end. */
  readonly cutAfter?: number;
  /** How they end; without a word by default, `rst` with a reset. */
  readonly cut?: "fin" | "rst";
  /** The byte in which one bit is changed. */
  readonly flipAt?: number;
  /** Counts the bytes of all connections together: the way stays broken. */
  readonly inAll?: boolean;
}

/** What goes wrong in either direction. */
export interface FaultProxyOptions {
  /** From the one who dialled to the target. */
  readonly toTarget?: Faults;
  /** From the target to the one who dialled. */
  readonly toDialler?: Faults;
}

/** A proxy that runs. Disposing ends all that goes through it. */
export interface FaultProxy extends AsyncDisposable {
  /** Where it listens, on loopback. */
  readonly port: number;
  /** The port on loopback that everything goes to. */
  target: number;
  /** What goes wrong on connections that are yet to come. */
  faults: FaultProxyOptions;
  /** Connections that have been accepted. */
  readonly acceptedCount: number;
  /** Bytes that have been passed on to the dialler. */
  readonly passedBytes: number;
  /** Resolves when at least this many bytes have been passed on to the dialler. */
  passed(bytes: number): Promise<void>;
  /** Resets all connections, and refuses new ones. */
  breakDown(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";
// What may be on its way in a direction that is delayed.
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;

/** What goes through a proxy. */
class Traffic {
  acceptedCount = 0;
  passedBytes = 0;
  readonly #open = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  readonly #over = new AbortController();
  readonly #inAll = { toTarget: { bytes: 0 }, toDialler: { bytes: 0 } };
  readonly #onPassed = new Set<() => void>();

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {}); // a reset, by us or by them
    socket.on("close", () => this.#open.delete(socket));
  }

  #run(pump: Pump): void {
    const tracked = pump.run().catch(() => {})
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** Connects `dialler` to the target. */
  accept(dialler: Socket, { target: port, faults }: FaultProxy): void {
    this.acceptedCount++;
    this.#keep(dialler);
    const target = connect({ port, host: LOOPBACK, allowHalfOpen: true });
    this.#keep(target);
    const { toTarget = {}, toDialler = {} } = faults;
    const { signal } = this.#over;
    const inAll = this.#inAll;
    this.#run(
      new Pump(dialler, target, {
        faults: toTarget,
        taken: toTarget.inAll ? inAll.toTarget : { bytes: 0 },
        signal,
      }),
    );
    const counted = new Pump(target, dialler, {
      faults: toDialler,
      taken: toDialler.inAll ? inAll.toDialler : { bytes: 0 },
      signal,
    });
    counted.onPassed = (bytes) => {
      this.passedBytes += bytes;
      for (const look of [...this.#onPassed]) look();
    };
    this.#run(counted);
  }

  /** Resolves when at least so many bytes have been passed on. */
  passed(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.passedBytes < bytes) return;
        this.#onPassed.delete(look);
        resolve();
      };
      this.#onPassed.add(look);
      look();
    });
  }

  /** Ends all connections. */
  async end(how: (socket: Socket) => void): Promise<void> {
    this.#over.abort();
    const closed = [...this.#open].map((socket) =>
      new Promise<void>((resolve) => socket.once("close", () => resolve()))
    );
    for (const socket of [...this.#open]) how(socket);
    await Promise.all([...closed, ...this.#running]);
  }
}

/** Starts a proxy. Set its target before anybody dials. */
export async function startFaultProxy(
  faults: FaultProxyOptions = {},
): Promise<FaultProxy> {
  const server = createServer({ allowHalfOpen: true });
  const traffic = new Traffic();
  server.on("connection", (dialler) => traffic.accept(dialler, proxy));
  await new Promise<void>((resolve) =>
    server.listen(0, LOOPBACK, () => resolve())
  );
  const end = async (how: (socket: Socket) => void) => {
    await Promise.all([traffic.end(how), closeServer(server)]);
  };
  const { port } = server.address() as { port: number };
  const proxy: FaultProxy = {
    ...{ port, target: 0, faults },
    get acceptedCount() {
      return traffic.acceptedCount;
    },
    get passedBytes() {
      return traffic.passedBytes;
    },
    passed: (bytes) => traffic.passed(bytes),
    breakDown: () => end(reset),
    [Symbol.asyncDispose]: () => end((socket) => socket.destroy()),
  };
  return proxy;
}

function closeServer(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => server.close(() => resolve()));
}

function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

/** One direction of one connection. */
class Pump {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #faults: Faults;
  readonly #signal: AbortSignal;
  /** Bytes that have arrived so far, on this connection or on all. */
  readonly #taken: { bytes: number };
  #inFlight = 0;
  #passing: Promise<void> = Promise.resolve();
  onPassed: (bytes: number) => void = () => {};

  constructor(
    from: Socket,
    to: Socket,
    { faults, taken, signal }: {
      faults: Faults;
      taken: { bytes: number };
      signal: AbortSignal;
    },
  ) {
    this.#from = from;
    this.#to = to;
    this.#faults = faults;
    this.#taken = taken;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { stallAfter, swallowAfter, cutAfter, cut } = this.#faults;
    if (this.#taken.bytes >= (cutAfter ?? Infinity)) return this.#cut(cut);
    for await (const chunk of this.#from as AsyncIterable<Uint8Array>) {
      const bytes = this.#spoiled(chunk);
      this.#pass(bytes);
      if (this.#taken.bytes >= (cutAfter ?? Infinity)) {
        await this.#passing;
        return this.#cut(cut);
      }
      if (this.#taken.bytes >= (stallAfter ?? Infinity)) await this.#closed();
      while (this.#inFlight > IN_FLIGHT_BYTES) await this.#passing;
    }
    await this.#passing;
    // What swallows everything swallows the end as well.
    if (this.#taken.bytes >= (swallowAfter ?? Infinity)) await this.#closed();
    else this.#to.end();
  }

  /** The rest of a chunk, which is counted as taken. */
  #spoiled(chunk: Uint8Array): Uint8Array {
    const { stallAfter, swallowAfter, cutAfter, flipAt } = this.#faults;
    const end = Math.min(
      stallAfter ?? Infinity,
      swallowAfter ?? Infinity,
      cutAfter ?? Infinity,
    );
    const bytes = chunk.slice(0, Math.max(0, end - this.#taken.bytes));
    const at = (flipAt ?? Infinity) - this.#taken.bytes;
    if (at >= 0 && at < bytes.length) bytes[at] = bytes[at]! ^ 1;
    this.#taken.bytes += chunk.length;
    return bytes;
  }

  /** Passes bytes on after those before them, when their time has arrived. */
  #pass(bytes: Uint8Array): void {
    const dueAt = performance.now() + (this.#faults.delayMs ?? 0);
    this.#inFlight += bytes.length;
    const before = this.#passing;
    this.#passing = (async () => {
      await before;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await this.#wait(waitMs);
      await this.#write(bytes);
      this.#inFlight -= bytes.length;
    })();
    this.#passing.catch(() => {}); // the caller that awaits it notices it
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { sliceBytes, bytesPerSecond } = this.#faults;
    const most = sliceBytes ??
      (bytesPerSecond === undefined
        ? Infinity
        : Math.max(1, Math.round(bytesPerSecond / RATE_STEPS)));
    for (let at = 0; at < bytes.length; at += most) {
      const part = bytes.subarray(at, at + most);
      if (bytesPerSecond !== undefined) {
        await this.#wait(1_000 * part.length / bytesPerSecond);
      }
      await new Promise<void>((resolve, reject) =>
        this.#to.write(part, (error) => error ? reject(error) : resolve())
      );
      this.onPassed(part.length);
    }
  }

  #wait(ms: number): Promise<void> {
    return delay(ms, { signal: this.#signal });
  }

  #cut(how: Faults["cut"]): void {
    if (how === "rst") {
      reset(this.#to);
      reset(this.#from);
    } else {
      this.#to.end();
      this.#from.end();
      this.#from.destroy();
    }
  }

  /** Waits until the connection has ended, without reading. */
  #closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#from.destroyed) resolve();
      else this.#from.once("close", () => resolve());
      this.#signal.addEventListener("abort", () => resolve());
    });
  }
}

// Writes a second if the rate is limited and no other number is given.
const RATE_STEPS = 50;
