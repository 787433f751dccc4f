/**
 * Where small files are saved: on the spot, or in a worker that takes several
 * with each order. Files that come while the worker is busy make up the next
 * order.
 *
 * @module
 */

import {
  type FileToSave,
  makeSaver,
  type SaveFiles,
  type SaverOutcome,
} from "./saver_code.ts";

/** Saves small files. */
export interface Saver extends Disposable {
  /** Saves one. The bytes may be used again when it resolves. */
  save(file: FileToSave): Promise<SaverOutcome>;
}

/** Saves on the spot: what a few files, or a quick disk, cost least with. */
export class SaverHere implements Saver {
  readonly #save: SaveFiles = makeSaver(() => import("node:fs"));

  async save(file: FileToSave): Promise<SaverOutcome> {
    const [outcome] = await this.#save([file]);
    return outcome!;
  }

  [Symbol.dispose](): void {}
}

/** What a saver's worker is told to do. */
export interface SaverOrder {
  readonly id: number;
  readonly files: readonly FileToSave[];
}

/** What it answers. */
export interface SaverReply {
  readonly id: number;
  readonly outcomes: readonly SaverOutcome[];
}

/** The way to a saver's worker. */
export interface SaverPort {
  /** Sends an order. */
  postMessage(order: SaverOrder): void;
  /** Takes the answers. */
  onmessage: ((event: MessageEvent<SaverReply>) => void) | null;
  /** Hears that the worker failed. */
  onerror: ((event: ErrorEvent) => void) | null;
  /** Ends the worker at once. */
  terminate(): void;
}

/** A file that waits, and whom to tell. */
interface Waiting {
  readonly file: FileToSave;
  readonly answer: PromiseWithResolvers<SaverOutcome>;
}

// One that the worker is at, and one that it finds when it is through.
const ORDERS_AT_ONCE = 2;

/** Saves in a worker. Disposing ends it; files that wait reject. */
export class SaverBeside implements Saver {
  readonly #port: SaverPort;
  /** Files in one order: they wait for a slow disk together. */
  readonly #mostFiles: number;
  readonly #orders = new Map<number, readonly Waiting[]>();
  #waiting: Waiting[] = [];
  #nextId = 0;
  #ended: Error | null = null;

  /** Takes the port over; up to `mostOpen` files are open at a time. */
  constructor(port: SaverPort, mostOpen: number) {
    this.#port = port;
    this.#mostFiles = Math.max(1, Math.floor(mostOpen / ORDERS_AT_ONCE));
    port.onmessage = ({ data }) => this.#take(data);
    port.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(event.message));
    };
  }

  save(file: FileToSave): Promise<SaverOutcome> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const answer = Promise.withResolvers<SaverOutcome>();
    this.#waiting.push({ file, answer });
    // Those that are saved in the same turn share an order.
    if (this.#waiting.length === 1) queueMicrotask(() => this.#order());
    return answer.promise;
  }

  #order(): void {
    while (this.#orders.size < ORDERS_AT_ONCE && this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, this.#mostFiles);
      const id = this.#nextId++;
      this.#orders.set(id, taken);
      this.#port.postMessage({
        id,
        files: taken.map(({ file }) => ({ ...file, bytes: own(file.bytes) })),
      });
    }
  }

  #take({ id, outcomes }: SaverReply): void {
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
    this.#end(new Error("the saver was disposed of"));
  }
}

/** A message with a part of a buffer would carry the whole of it. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? bytes : bytes.slice();
}

/** Starts a worker, some 40 ms in which orders wait. */
export function startSaver(mostOpen: number): SaverBeside {
  const code = `const save = (${makeSaver})(() => import("node:fs"));
self.onmessage = async ({ data: { id, files } }) =>
  self.postMessage({ id, outcomes: await save(files) });`;
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  const worker = new Worker(url, { type: "module", name: "saver" });
  return new SaverBeside(worker, mostOpen);
}
