/**
 * Lets the user pick a file at a terminal: passes keys from standard input to
 * the picker, and its frames to the screen.
 *
 * @module
 */

import type { FileListing } from "../../client/listing.ts";
import { isGranted } from "../../base/permission.ts";
import { ASK_TERMINAL, ESCAPE_MS, type Key, KeyDecoder } from "./keys.ts";
import { Picker } from "./state.ts";
import { RawTerminal, Screen, SizeChanges } from "./screen.ts";
import { orAborted } from "../../base/waiting.ts";
import type { Input } from "../output/streams.ts";
import type { Terminal } from "../output/terminal.ts";

/** Options of {@linkcode pickFile}. */
export interface PickOptions {
  readonly terminal: Terminal;
  readonly input: Input;
  readonly signal: AbortSignal;
  /** Number of nodes that have the files. */
  readonly nodeCount: number;
}

/** The outcome. */
export type Picked =
  | { readonly kind: "picked"; readonly file: FileListing }
  | { readonly kind: "left" }
  /** The terminal cannot show a picker. */
  | { readonly kind: "unable" };

// A terminal answers sooner, even over a slow connection.
const ANSWER_MS = 1_000;

/** Lets the user choose one of `files`. */
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
    terminal.draw(WIPE); // the terminal may have printed the question
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
    if (typed.length === 0) picker.work(); // a key comes first
    if (changes.taken()) {
      picker.resize(terminal.size);
      screen.clear();
    }
  }
}

const WIPE = "\r    \r";

/** Whether `TERM`, if it may be read, says that the terminal cannot draw. */
function isDumb(): boolean {
  if (!isGranted({ name: "env", variable: "TERM" })) return false;
  try {
    return Deno.env.get("TERM") === "dumb";
  } catch {
    return false; // not UTF-8, so not "dumb"
  }
}

/** The keys that the user types. */
class KeyReader {
  readonly #options: PickOptions;
  readonly #decoder = new KeyDecoder();

  constructor(options: PickOptions) {
    this.#options = options;
  }

  /**
   * Asks the terminal what it is. Returns the keys typed before its answer;
   * `undefined` if it does not answer.
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
   * Ends a waiting read by an answer of the terminal. A read that started in
   * raw mode would later not treat Ctrl-D as the end of the input.
   */
  async endReading(): Promise<void> {
    if (this.#options.input.isReading) await this.untilAnswer();
  }

  /** The next keys; none if one of `others` resolves first. */
  async next(others: readonly Promise<void>[]): Promise<Key[]> {
    const { input, signal } = this.#options;
    const escape = this.#decoder.hasLoneEscape ? new Timer(ESCAPE_MS) : null;
    using _timer = escape;
    const waits = [input.ready(), ...others];
    if (escape !== null) waits.push(escape.expired);
    await orAborted(Promise.race(waits), signal);
    const bytes = input.taken();
    if (bytes === null) return [{ kind: "key", name: "ctrl_d" }]; // disconnected
    if (bytes.length > 0) return this.#decoder.feed(bytes);
    return escape?.hasExpired ? this.#decoder.settle() : [];
  }
}

/** A timeout that can be cancelled. */
class Timer implements Disposable {
  readonly #expired = Promise.withResolvers<void>();
  readonly expired: Promise<void> = this.#expired.promise;
  readonly #timer: ReturnType<typeof setTimeout>;
  hasExpired = false;

  constructor(ms: number) {
    this.#timer = setTimeout(() => {
      this.hasExpired = true;
      this.#expired.resolve();
    }, ms);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Resolves after `ms`, after other waiting work. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
