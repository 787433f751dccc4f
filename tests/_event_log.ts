/**
 * Events of an engine, kept, with a way to wait for one. Tests wait for what
 * happens and never for a time; the deadline is there to fail, not to pace.
 */

// A process alone takes seconds to start on a small machine that is busy.
const DEADLINE_MS = 60_000;

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
    const past = this.events.find(wanted);
    if (past !== undefined) return past;
    const { promise, resolve, reject } = Promise.withResolvers<
      Extract<E, { event: Name }>
    >();
    const watch = () => {
      const found = this.events.find(wanted);
      if (found !== undefined) resolve(found);
    };
    const timer = setTimeout(
      () => reject(new Error(`no ${name} among ${this.names.join(", ")}`)),
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
