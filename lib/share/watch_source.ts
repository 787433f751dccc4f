/**
 * The source of the system's reports of changes in a folder: a watch in this
 * thread, or one in a worker. Before a watch starts, it looks at every file
 * below the folder, which blocks the thread (12 s for a million files).
 *
 * @module
 */

/** Reports of a folder. Closing ends them. */
export interface WatchSource extends AsyncIterable<Deno.FsEvent> {
  /** Resolves when no later change is missed. */
  readonly ready: Promise<void>;
  /** Ends the reports. */
  close(): void;
}

/**
 * Watches in this thread, from now on.
 *
 * @throws {Error} if the system refuses.
 */
export function watchHere(folder: string): WatchSource {
  const watcher = Deno.watchFs(folder, { recursive: true });
  return {
    ready: Promise.resolve(),
    [Symbol.asyncIterator]: () => watcher[Symbol.asyncIterator](),
    close: () => watcher.close(),
  };
}

/** The messages of a worker about its watch. */
export type WatchReply =
  | { readonly kind: "ready" }
  | { readonly kind: "event"; readonly event: Deno.FsEvent }
  | {
    readonly kind: "failed";
    readonly name: string;
    readonly message: string;
    readonly code: string | undefined;
  };

/** The parts of a worker's scope that a watch uses. */
export interface WatchScope {
  /** Sends a report. */
  postMessage(reply: WatchReply): void;
}

/**
 * Watches `folder` and reports to `scope`. It must not use anything outside
 * itself, because a worker gets it as text.
 */
export async function runWatch(
  folder: string,
  scope: WatchScope,
): Promise<void> {
  try {
    const watcher = Deno.watchFs(folder, { recursive: true });
    scope.postMessage({ kind: "ready" });
    for await (const { kind, paths, flag } of watcher) {
      const event = flag === undefined
        ? { kind, paths }
        : { kind, paths, flag };
      scope.postMessage({ kind: "event", event });
    }
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    scope.postMessage({ kind: "failed", name, message, code });
  }
}

/** The way to a watch in a worker. */
export interface WatchPort {
  /** Takes the reports. */
  onmessage: ((event: MessageEvent<WatchReply>) => void) | null;
  /** Called if the worker failed. */
  onerror: ((event: ErrorEvent) => void) | null;
  /** Ends the worker at once. */
  terminate(): void;
}

/** Watches in a worker, which begins soon. */
export class WatchBeside implements WatchSource {
  readonly #port: WatchPort;
  readonly #ready = Promise.withResolvers<void>();
  readonly ready: Promise<void> = this.#ready.promise;
  readonly #events: Deno.FsEvent[] = [];
  #error: Error | null = null;
  #isClosed = false;
  #wake = () => {};

  /** Takes the port over. */
  constructor(port: WatchPort) {
    this.#port = port;
    this.#ready.promise.catch(() => {}); // the iteration reports it too
    port.onmessage = ({ data }) => this.#take(data);
    port.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message));
    };
  }

  #take(reply: WatchReply): void {
    if (reply.kind === "ready") return this.#ready.resolve();
    if (reply.kind === "event") this.#events.push(reply.event);
    else {
      const { name, message, code } = reply;
      const error = Object.assign(new Error(message), { name });
      this.#fail(code === undefined ? error : Object.assign(error, { code }));
    }
    this.#wake();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#ready.reject(error);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Deno.FsEvent> {
    while (!this.#isClosed) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else if (this.#error !== null) throw this.#error;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#port.terminate();
    this.#fail(new Error("the watch was closed"));
  }
}

/** Starts a watch in a worker. */
export function watchBeside(folder: string): WatchBeside {
  const code = `(${runWatch})(${JSON.stringify(folder)}, self);`;
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  return new WatchBeside(new Worker(url, { type: "module", name: "watch" }));
}
