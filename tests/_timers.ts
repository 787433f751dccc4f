/**
 * Timers that run, counted. To be imported before anything that starts some:
 * what it counts are those of the program, not those inside the system.
 */

// By number: that is how some programs end them.
const running = new Set<number>();

const start = { once: setTimeout, repeated: setInterval };
const stop = { once: clearTimeout, repeated: clearInterval };

type Run = (...args: unknown[]) => void;
type Timer = ReturnType<typeof setTimeout>;

Object.assign(globalThis, {
  setTimeout: (run: Run, ms?: number, ...args: unknown[]) => {
    const timer = start.once(() => {
      running.delete(Number(timer));
      run(...args);
    }, ms);
    running.add(Number(timer));
    return timer;
  },
  setInterval: (run: Run, ms?: number, ...args: unknown[]) => {
    const timer = start.repeated(run, ms, ...args);
    running.add(Number(timer));
    return timer;
  },
  clearTimeout: (timer: Timer) => {
    running.delete(Number(timer));
    stop.once(timer);
  },
  clearInterval: (timer: Timer) => {
    running.delete(Number(timer));
    stop.repeated(timer);
  },
});

/** How many run now. */
export function timerCount(): number {
  return running.size;
}
