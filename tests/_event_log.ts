/**
 * Events of an engine, kept, with a way to wait for one. Tests wait for what
 * happens and never for a time; the deadline is there to fail, not to pace.
 */

// A process alone takes seconds to start on a small machine that is busy.
export const DEADLINE_MS = 60_000;

/** Keeps events; `onEvent` is to be given to an engine. */
export class EventLog<E extends { event: string }> {
  readonly events: E[] = [];
  readonly #watchers = new Set<() => void>();

  readonly onEvent = (event: E): void => {
    this.events.push(event);
    for (const watch of [...this.#watchers]) watch();
  };

  /** The names of all events so far. */
  get names(): string[] {
    return this.events.map(({ event }) => event);
  }

  /** The first event of that name, past or to come, that `matches`. */
  async until<Name extends E["event"]>(
    name: Name,
    matches: (event: Extract<E, { event: Name }>) => boolean = () => true,
  ): Promise<Extract<E, { event: Name }>> {
    const wanted = (event: E): event is Extract<E, { event: Name }> =>
      event.event === name && matches(event as Extract<E, { event: Name }>);
    return await this.#first(wanted, name);
  }

  /** The first event of one of these names, past or to come. */
  untilOneOf(names: readonly E["event"][]): Promise<E> {
    const wanted = (event: E): event is E => names.includes(event.event);
    return this.#first(wanted, names.join());
  }

  async #first<Wanted extends E>(
    wanted: (event: E) => event is Wanted,
    what: string,
  ): Promise<Wanted> {
    const past = this.events.find(wanted);
    if (past !== undefined) return past;
    const { promise, resolve, reject } = Promise.withResolvers<Wanted>();
    const watch = () => {
      const found = this.events.find(wanted);
      if (found !== undefined) resolve(found);
    };
    const timer = setTimeout(
      () => reject(new Error(`no ${what} among ${this.names.join(", ")}`)),
      DEADLINE_MS,
    );
    this.#watchers.add(watch);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watch);
    }
  }
}

/** `promise`, or an error that names `what` when it takes too long. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`${what} did not happen in time`)),
    deadlineMs,
  );
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
