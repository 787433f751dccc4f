/**
 * The monotonic clock of this isolate, which a test sets forward. Timers and
 * sockets stay real: for what compares times at each look, as leases do. To be
 * disposed of last, because it then goes back.
 */
export class ForwardClock implements Disposable {
  readonly #now = performance.now;
  #aheadMs = 0;

  constructor() {
    performance.now = () => this.#now.call(performance) + this.#aheadMs;
  }

  pass(ms: number): void {
    this.#aheadMs += ms;
  }

  [Symbol.dispose](): void {
    performance.now = this.#now;
  }
}
