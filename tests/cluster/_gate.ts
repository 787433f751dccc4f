/** A store that one instance can be cut off from. */

import {
  type Store,
  StoreError,
  type StoreSession,
} from "../../lib/cluster/store.ts";

/** The same store, with a gate before it. */
export class Gate implements Store {
  readonly name = "gate";
  readonly #inner: Store;
  readonly #sessions = new Set<StoreSession>();
  #isShut = false;
  /** Reading of the stream waits for it. */
  held: Promise<void> = Promise.resolve();

  constructor(inner: Store) {
    this.#inner = inner;
  }

  async open(signal: AbortSignal): Promise<StoreSession> {
    if (this.#isShut) throw new StoreError("unreachable", "cut off");
    const session = await this.#inner.open(signal);
    this.#sessions.add(session);
    return {
      beat: (self) => session.beat(self),
      resign: (instances) => session.resign(instances),
      discard: (values) => session.discard(values),
      write: (rows) => session.write(rows),
      page: (after) => session.page(after),
      fetch: (keys) => session.fetch(keys),
      follow: async (position) => {
        await this.held;
        return await session.follow(position);
      },
      [Symbol.dispose]: () => session[Symbol.dispose](),
    };
  }

  shut(): void {
    this.#isShut = true;
    for (const session of this.#sessions) session[Symbol.dispose]();
    this.#sessions.clear();
  }

  unlock(): void {
    this.#isShut = false;
  }
}
