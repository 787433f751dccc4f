/**
 * Uses the terminal as a screen: reads key by key, draws row by row, and
 * restores the terminal however the program ends.
 *
 * @module
 */

import type { Frame, ScreenRow, Span } from "./state.ts";
import type { Terminal } from "../output/terminal.ts";

const ESC = "\x1b[";
/**
 * The picker draws on the terminal's alternate screen, so that the user's own
 * text is not lost.
 */
const OTHER_SCREEN = `${ESC}?1049h`;
const FIRST_SCREEN = `${ESC}?1049l`;
const BRACKETED_PASTE_ON = `${ESC}?2004h`;
const BRACKETED_PASTE_OFF = `${ESC}?2004l`;
// A character wider than we think must not break the row.
const NO_WRAP = `${ESC}?7l`;
const WRAP = `${ESC}?7h`;
const CURSOR_OFF = `${ESC}?25l`;
const CURSOR_ON = `${ESC}?25h`;
const CLEAR = `${ESC}2J`;
// Sent before the row: afterwards the cursor is in the last column.
const CLEAR_ROW = `${ESC}2K`;
const PLAIN = `${ESC}0m`;

const SGR_OF_STYLE: Readonly<Record<Span["style"], string>> = {
  plain: "",
  match: `${ESC}32m`,
  warning: `${ESC}33m`,
  dim: `${ESC}2m`,
};
const MARKED = `${ESC}1m`;

// Signals that end a process without a listener. SIGINT and SIGTERM are handled
// elsewhere.
const ENDING_SIGNALS: readonly (readonly [Deno.Signal, number])[] =
  Deno.build.os === "windows" ? [] : [["SIGHUP", 1], ["SIGQUIT", 3]];

// Whether shells can stop and continue processes.
const HAS_JOBS = Deno.build.os !== "windows";
// How long a stop may take to happen. It may never happen, because there may be
// no shell to continue the process.
const STOP_MS = 50;

/** A terminal mode with its reverse. */
interface Switch {
  readonly on: () => void;
  readonly off: () => void;
}

/**
 * Keys come one by one until this is disposed of. The terminal is restored on
 * disposal, on exit, on an uncaught error, on signals, and while the process is
 * stopped.
 */
export class RawTerminal implements Disposable {
  readonly #terminal: Terminal;
  readonly #onRetaken: () => void;
  readonly #switches: Switch[] = [];
  readonly #listeners = new AbortController();
  #isOn = true;

  /**
   * Switches the terminal to raw mode. Calls `onRetaken` when everything must
   * be drawn again.
   */
  constructor(terminal: Terminal, onRetaken: () => void) {
    this.#terminal = terminal;
    this.#onRetaken = onRetaken;
    this.#add({
      on: () => Deno.stdin.setRaw(true),
      off: () => Deno.stdin.setRaw(false),
    });
    const { signal } = this.#listeners;
    const restore = () => this[Symbol.dispose]();
    for (const end of ["unload", "error", "unhandledrejection"]) {
      globalThis.addEventListener(end, restore, { signal });
    }
    for (const [name, number] of ENDING_SIGNALS) {
      this.#listen(name, () => {
        restore();
        Deno.exit(128 + number);
      });
    }
    if (HAS_JOBS) this.#listen("SIGCONT", () => this.#retake());
  }

  #listen(name: Deno.Signal, onSignal: () => void): void {
    Deno.addSignalListener(name, onSignal);
    this.#listeners.signal.addEventListener(
      "abort",
      () => Deno.removeSignalListener(name, onSignal),
    );
  }

  #add(added: Switch): void {
    this.#switches.push(added);
    added.on();
  }

  /** Writes escape sequences, and `undo` when the terminal is restored. */
  set(sequences: string, undo: string): void {
    this.#add({
      on: () => this.#terminal.draw(sequences),
      off: () => this.#terminal.draw(undo),
    });
  }

  /**
   * Restores the terminal, and stops this process as Ctrl-Z does elsewhere.
   * Switches back when the shell continues the process. A process may send
   * signals to itself without a permission.
   */
  async suspend(): Promise<void> {
    if (!HAS_JOBS || !this.#isOn) return;
    this.#switchOff();
    // Nothing may ever have listened to SIGTSTP. Otherwise Deno would stop the
    // process by force, even where no shell could continue it.
    Deno.kill(Deno.pid, "SIGTSTP");
    await new Promise((resolve) => setTimeout(resolve, STOP_MS));
    if (!this.#listeners.signal.aborted && !this.#isOn) this.#retake();
  }

  /** Another program may have changed the terminal meanwhile. */
  #retake(): void {
    // If it was stopped by force, the screen is unchanged, but its modes may
    // be.
    const switches = this.#isOn ? this.#switches.slice(0, 1) : this.#switches;
    this.#isOn = true;
    for (const { on } of switches) on();
    this.#onRetaken();
  }

  #switchOff(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    for (const { off } of this.#switches.toReversed()) off();
  }

  [Symbol.dispose](): void {
    this.#listeners.abort();
    this.#switchOff();
  }
}

/** Draws frames on the alternate screen of a terminal. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #coloured: boolean;
  /** The rows on the screen, as they were written. */
  #shown: readonly string[] = [];

  /**
   * `raw` must have switched the terminal to raw mode. Clears the alternate
   * screen.
   */
  constructor(terminal: Terminal, raw: RawTerminal) {
    this.#terminal = terminal;
    this.#coloured = !Deno.noColor;
    raw.set(
      OTHER_SCREEN + BRACKETED_PASTE_ON + NO_WRAP + CLEAR,
      PLAIN + BRACKETED_PASTE_OFF + WRAP + CURSOR_ON + FIRST_SCREEN,
    );
  }

  /** Draws the rows that have changed. */
  draw(frame: Frame): void {
    const rows = frame.rows.map((row) => formatRow(row, this.#coloured));
    const count = Math.max(rows.length, this.#shown.length);
    let text = CURSOR_OFF;
    for (let at = 0; at < count; at++) {
      const row = rows[at] ?? "";
      if (row !== this.#shown[at]) text += place(at, 0) + CLEAR_ROW + row;
    }
    const { row, column } = frame.cursor;
    this.#terminal.draw(`${text}${place(row, column)}${CURSOR_ON}`);
    this.#shown = rows;
  }

  /** Makes the next frame draw everything. */
  clear(): void {
    this.#shown = [];
    this.#terminal.draw(CLEAR);
  }
}

function place(row: number, column: number): string {
  return `${ESC}${row + 1};${column + 1}H`;
}

/** A row as it is written; without colours only the pointer marks it. */
function formatRow({ spans, isMarked }: ScreenRow, coloured: boolean): string {
  if (!coloured) return spans.map(({ text }) => text).join("");
  return spans.map(({ text, style }) => {
    const sgr = (isMarked ? MARKED : "") + SGR_OF_STYLE[style];
    return sgr === "" ? text : sgr + text + PLAIN;
  }).join("");
}

/** Reports changes of a terminal's size, if the system does. */
export class SizeChanges implements Disposable {
  #wake = Promise.withResolvers<void>();
  #hasChanged = false;
  /** Notes that everything must be drawn again. */
  readonly note = (): void => {
    this.#hasChanged = true;
    this.#wake.resolve();
  };

  constructor() {
    if (HAS_SIZE_SIGNAL) Deno.addSignalListener("SIGWINCH", this.note);
  }

  /** Resolves when the size has changed. */
  get changed(): Promise<void> {
    return this.#wake.promise;
  }

  /** Whether the size has changed since the last call. */
  taken(): boolean {
    if (!this.#hasChanged) return false;
    this.#hasChanged = false;
    this.#wake = Promise.withResolvers<void>();
    return true;
  }

  [Symbol.dispose](): void {
    if (HAS_SIZE_SIGNAL) Deno.removeSignalListener("SIGWINCH", this.note);
  }
}

const HAS_SIZE_SIGNAL = Deno.build.os !== "windows";
