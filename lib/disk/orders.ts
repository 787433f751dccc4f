/**
 * Gives items to other code, many with each order, because each order wakes a
 * thread. Items that arrive while an order is being carried out form the next.
 *
 * @module
 */

/** Items that must be handled together. */
export interface Order<Item> {
  readonly id: number;
  readonly files: readonly Item[];
}

/** The answer to an order, with an outcome for each item. */
export interface OrderReply<Outcome> {
  readonly id: number;
  readonly outcomes: readonly Outcome[];
}

/** The connection to the code that carries out orders. */
export interface OrderPort<Item, Outcome> {
  /**
   * Sends an order. Bytes in its items must stay unchanged until the answer.
   */
  send(order: Order<Item>): void;
  /** Gets the answers. */
  onReply: (reply: OrderReply<Outcome>) => void;
  /** Called when no more answers will come. */
  onEnd: (error: Error) => void;
  /** Ends it at once. */
  terminate(): void;
}

/** An item that waits, and the promise to settle. */
interface Waiting<Item, Outcome> {
  readonly item: Item;
  readonly answer: PromiseWithResolvers<Outcome>;
}

/** One order that is being carried out, and one that is ready when it ends. */
export const ORDERS_AT_ONCE = 2;

/** Joins items to orders. Disposing ends it; items that wait reject. */
export class Orders<Item, Outcome> implements Disposable {
  readonly #port: OrderPort<Item, Outcome>;
  /** Items in one order. */
  readonly #most: number;
  readonly #orders = new Map<number, readonly Waiting<Item, Outcome>[]>();
  #waiting: Waiting<Item, Outcome>[] = [];
  #nextId = 0;
  #ended: Error | null = null;

  /** Takes ownership of the port; an order has up to `most` items. */
  constructor(port: OrderPort<Item, Outcome>, most: number) {
    this.#port = port;
    this.#most = most;
    port.onReply = (reply) => this.#take(reply);
    port.onEnd = (error) => this.#end(error);
  }

  /** Adds an item to the next order; resolves to its outcome. */
  add(item: Item): Promise<Outcome> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const answer = Promise.withResolvers<Outcome>();
    this.#waiting.push({ item, answer });
    // Items that are added in the same turn share an order.
    if (this.#waiting.length === 1) queueMicrotask(() => this.#order());
    else if (this.#waiting.length === this.#most) this.#order();
    return answer.promise;
  }

  /**
   * Sends an order. While an order waits for its answer, sends the next only if
   * it is full.
   */
  #order(): void {
    while (this.#orders.size < ORDERS_AT_ONCE && this.#waiting.length > 0) {
      const isFull = this.#waiting.length >= this.#most;
      if (this.#orders.size > 0 && !isFull) return;
      const taken = this.#waiting.splice(0, this.#most);
      const id = this.#nextId++;
      this.#orders.set(id, taken);
      this.#port.send({ id, files: taken.map(({ item }) => item) });
    }
  }

  #take({ id, outcomes }: OrderReply<Outcome>): void {
    const taken = this.#orders.get(id)!;
    this.#orders.delete(id);
    for (const [at, { answer }] of taken.entries()) {
      answer.resolve(outcomes[at]!);
    }
    this.#order();
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const taken of [...this.#orders.values(), this.#waiting.splice(0)]) {
      for (const { answer } of taken) answer.reject(this.#ended);
    }
    this.#orders.clear();
  }

  [Symbol.dispose](): void {
    this.#port.terminate();
    this.#end(new Error("it was disposed of"));
  }
}

/**
 * A port to a worker with the code in `text`, which answers each order.
 * `prepared` changes an item before it is sent.
 */
export function workerPort<Item, Outcome>(
  text: string,
  { name, prepared = (item) => item }: {
    name: string;
    prepared?: (item: Item) => Item;
  },
): OrderPort<Item, Outcome> {
  const url = `data:application/javascript,${encodeURIComponent(text)}`;
  const worker = new Worker(url, { type: "module", name });
  const port: OrderPort<Item, Outcome> = {
    send: ({ id, files }) =>
      worker.postMessage({ id, files: files.map(prepared) }),
    onReply: () => {},
    onEnd: () => {},
    terminate: () => worker.terminate(),
  };
  worker.onmessage = ({ data }) => port.onReply(data);
  worker.onerror = (event) => {
    event.preventDefault();
    port.onEnd(new Error(event.message));
  };
  return port;
}
