/**
 * Uses the terminal as a screen: reads key by key, draws row by row, and
 * restores the terminal however the program ends.
 *
 * @module
 */

import type { Frame, Row, Span } from "./state.ts";
import type { Terminal } from "../output/terminal.ts";

const ESC = "\x1b[";
/** Of the person's own text, nothing is lost: it stands on the other screen. */
const OTHER_SCREEN = `${ESC}?1049h`;
const FIRST_SCREEN = `${ESC}?1049l`;
const PASTE_TOLD = `${ESC}?2004h`;
const PASTE_UNTOLD = `${ESC}?2004l`;
// A character that is wider than we think must not break the row.
const NO_WRAP = `${ESC}?7l`;
const WRAP = `${ESC}?7h`;
const CURSOR_OFF = `${ESC}?25l`;
const CURSOR_ON = `${ESC}?25h`;
const CLEAR = `${ESC}2J`;
// Before the row is written: after it the cursor stands on the last column.
const CLEAR_ROW = `${ESC}2K`;
const PLAIN = `${ESC}0m`;

const SGR_OF_STYLE: Readonly<Record<Span["style"], string>> = {
  plain: "",
  match: `${ESC}32m`,
  warning: `${ESC}33m`,
  dim: `${ESC}2m`,
};
const MARKED = `${ESC}1m`;

// What ends a process at once unless somebody listens. SIGINT and SIGTERM stop
// it in good order already.
const ENDING_SIGNALS: readonly (readonly [Deno.Signal, number])[] =
  Deno.build.os === "windows" ? [] : [["SIGHUP", 1], ["SIGQUIT", 3]];

// Whether shells stop and continue processes.
const HAS_JOBS = Deno.build.os !== "windows";
// A process that is told to stop does so at once, or not at all: there may be no
// shell that could continue it.
const STOP_MS = 50;

/** Something that is switched on, and off again. */
interface Switch {
  readonly on: () => void;
  readonly off: () => void;
}

/**
 * Keys come one by one while it is not disposed of. The terminal is given back
 * on disposal, on exit, on an error that nobody caught, on signals, and while
 * the process is stopped.
 */
export class RawTerminal implements Disposable {
  readonly #terminal: Terminal;
  readonly #onRetaken: () => void;
  readonly #switches: Switch[] = [];
  readonly #listeners = new AbortController();
  #isOn = true;

  /** Takes the terminal; `onRetaken` hears that all is to be drawn anew. */
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

  /** Writes escape sequences, and `undo` when the terminal is given back. */
  set(sequences: string, undo: string): void {
    this.#add({
      on: () => this.#terminal.draw(sequences),
      off: () => this.#terminal.draw(undo),
    });
  }

  /**
   * Gives the terminal back, and stops this process as Ctrl-Z does elsewhere;
   * takes the terminal again when the shell lets the process go on. A process
   * may send signals to itself without a permission.
   */
  async suspend(): Promise<void> {
    if (!HAS_JOBS || !this.#isOn) return;
    this.#switchOff();
    // Nobody may ever have listened to it: after that Deno stops the process by
    // force, also where no shell could continue it.
    Deno.kill(Deno.pid, "SIGTSTP");
    await new Promise((resolve) => setTimeout(resolve, STOP_MS));
    if (!this.#listeners.signal.aborted && !this.#isOn) this.#retake();
  }

  /** Another program may have had the terminal meanwhile. */
  #retake(): void {
    // Stopped by force: what was drawn is as it was, but for its keys.
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

/** Draws frames on the other screen of a terminal. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #coloured: boolean;
  /** The rows that are to be seen, as they were written. */
  #shown: readonly string[] = [];

  /** Clears the other screen of the terminal, which `raw` has taken. */
  constructor(terminal: Terminal, raw: RawTerminal) {
    this.#terminal = terminal;
    this.#coloured = !Deno.noColor;
    raw.set(
      OTHER_SCREEN + PASTE_TOLD + NO_WRAP + CLEAR,
      PLAIN + PASTE_UNTOLD + WRAP + CURSOR_ON + FIRST_SCREEN,
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

  /** Everything is to be drawn anew. */
  clear(): void {
    this.#shown = [];
    this.#terminal.draw(CLEAR);
  }
}

function place(row: number, column: number): string {
  return `${ESC}${row + 1};${column + 1}H`;
}

/** A row as it is written; without a colour the pointer alone marks it. */
function formatRow({ spans, isMarked }: Row, coloured: boolean): string {
  if (!coloured) return spans.map(({ text }) => text).join("");
  return spans.map(({ text, style }) => {
    const sgr = (isMarked ? MARKED : "") + SGR_OF_STYLE[style];
    return sgr === "" ? text : sgr + text + PLAIN;
  }).join("");
}

/** Tells changes of a terminal's size, where the system does. */
export class SizeChanges implements Disposable {
  #wake = Promise.withResolvers<void>();
  #hasChanged = false;
  /** Notes that all is to be drawn anew. */
  readonly note = (): void => {
    this.#hasChanged = true;
    this.#wake.resolve();
  };

  /** Listens. */
  constructor() {
    if (HAS_SIZE_SIGNAL) Deno.addSignalListener("SIGWINCH", this.note);
  }

  /** Resolves when the size has changed. */
  get changed(): Promise<void> {
    return this.#wake.promise;
  }

  /** Whether it has, since this was asked last. */
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
