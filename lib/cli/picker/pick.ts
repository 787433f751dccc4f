/**
 * Lets a person at a terminal pick a file: keys from standard input to the
 * picker, its frames to the screen.
 *
 * @module
 */

import type { FileListing } from "../../client/listing.ts";
import { isGranted } from "../../base/permission.ts";
import { ASK_TERMINAL, ESCAPE_MS, type Key, KeyDecoder } from "./keys.ts";
import { Picker } from "./state.ts";
import { RawTerminal, Screen, SizeChanges } from "./screen.ts";
import { type Input, orAborted } from "../output/streams.ts";
import type { Terminal } from "../output/terminal.ts";

/** What a pick is made with. */
export interface PickOptions {
  readonly terminal: Terminal;
  readonly input: Input;
  readonly signal: AbortSignal;
  /** Nodes that the files are on. */
  readonly nodeCount: number;
}

/** What came of it. */
export type Picked =
  | { readonly kind: "picked"; readonly file: FileListing }
  | { readonly kind: "left" }
  /** The terminal cannot show a picker. */
  | { readonly kind: "unable" };

// A terminal answers sooner than that, also one that is far away.
const ANSWER_MS = 1_000;

/** Lets a person choose one of `files`. */
export async function pickFile(
  files: readonly FileListing[],
  options: PickOptions,
): Promise<Picked> {
  const { terminal } = options;
  if (isDumb()) return { kind: "unable" };
  using changes = new SizeChanges();
  using raw = new RawTerminal(terminal, changes.note);
  const keys = new KeyReader(options);
  const early = await keys.untilAnswer();
  if (early === undefined) {
    terminal.draw(WIPE); // what it may have made of the question
    return { kind: "unable" };
  }
  const picker = new Picker(files, {
    nodeCount: options.nodeCount,
    size: terminal.size,
  });
  const screen = new Screen(terminal, raw);
  for (let typed: readonly Key[] = early;;) {
    for (const key of typed) {
      if (key.kind === "key" && key.name === "ctrl_z") await raw.suspend();
      const outcome = picker.press(key);
      if (outcome.kind === "open") continue;
      await keys.endReading();
      return outcome;
    }
    screen.draw(picker.frame());
    typed = await keys.next([
      changes.changed,
      ...(picker.isSearching ? [elapsed(0)] : []),
    ]);
    if (typed.length === 0) picker.work(); // a key comes before the rest
    if (changes.taken()) {
      picker.resize(terminal.size);
      screen.clear();
    }
  }
}

const WIPE = "\r    \r";

/** Whether `TERM`, where it may be read, says that nothing can be drawn. */
function isDumb(): boolean {
  if (!isGranted({ name: "env", variable: "TERM" })) return false;
  try {
    return Deno.env.get("TERM") === "dumb";
  } catch {
    return false; // not UTF-8, so not that
  }
}

/** The keys that a person types. */
class KeyReader {
  readonly #options: PickOptions;
  readonly #decoder = new KeyDecoder();

  constructor(options: PickOptions) {
    this.#options = options;
  }

  /**
   * Asks the terminal what it is. The keys that were typed until it answered;
   * `undefined` where it does not.
   */
  async untilAnswer(): Promise<Key[] | undefined> {
    using timer = new Timer(ANSWER_MS);
    this.#options.terminal.draw(ASK_TERMINAL);
    const typed: Key[] = [];
    while (!timer.hasExpired) {
      const keys = await this.next([timer.expired]);
      typed.push(...keys.filter(({ kind }) => kind !== "terminal"));
      if (keys.some(({ kind }) => kind === "terminal")) return typed;
    }
    return undefined;
  }

  /**
   * Ends a read that waits, by an answer of the terminal: a read that was begun
   * key by key would take no Ctrl-D for the end of the input later.
   */
  async endReading(): Promise<void> {
    if (this.#options.input.isReading) await this.untilAnswer();
  }

  /** The next keys; none when one of `others` happened first. */
  async next(others: readonly Promise<void>[]): Promise<Key[]> {
    const { input, signal } = this.#options;
    const escape = this.#decoder.hasLoneEscape ? new Timer(ESCAPE_MS) : null;
    using _timer = escape;
    const waits = [input.ready(), ...others];
    if (escape !== null) waits.push(escape.expired);
    await orAborted(Promise.race(waits), signal);
    const bytes = input.taken();
    if (bytes === null) return [{ kind: "key", name: "ctrl_d" }]; // hung up
    if (bytes.length > 0) return this.#decoder.feed(bytes);
    return escape?.hasExpired ? this.#decoder.settle() : [];
  }
}

/** A time that can be waited for, and left. */
class Timer implements Disposable {
  readonly #expired = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setTimeout>;
  hasExpired = false;

  constructor(ms: number) {
    this.#timer = setTimeout(() => {
      this.hasExpired = true;
      this.#expired.resolve();
    }, ms);
  }

  get expired(): Promise<void> {
    return this.#expired.promise;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Resolves once whatever waits has had its turn. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
