/**
 * The one place that writes to stdout and stderr. Results and content go to
 * stdout; everything else goes to stderr. With `--json` stdout carries only
 * events, one object a line. A failed write does not stop a server: it is
 * remembered, and `check` throws it for commands that deliver something.
 *
 * @module
 */

import { describeCause, Failure, inspected } from "../../base/errors.ts";
import { Redaction } from "./redaction.ts";
import { escapeJson, showLines } from "../../base/text.ts";
import { formatLog, type LoggedEvent, type LogOptions } from "./log.ts";
import { orAborted } from "../../base/waiting.ts";
import { cannotWrite, writeAll } from "./streams.ts";
import { cutLines, replaceLines } from "./live_lines.ts";
import { worded, wordedParts } from "./remedies.ts";

/** The options about output. */
export interface TerminalOptions {
  /** Events on stdout, in place of results and content. */
  readonly json: boolean;
  /** No notes. */
  readonly quiet: boolean;
  /** Stack traces with errors. */
  readonly debug: boolean;
  /** Events as log lines on stderr, in place of notes and errors. */
  readonly log?: LogOptions | undefined;
}

/** An event: a name and its fields. */
export type TerminalEvent = LoggedEvent;

// A larger text would be held twice, as text and as bytes.
const POUR_UNITS = 32 * 1024;
// The size if a terminal does not report one.
const USUAL_SIZE = { columns: 80, rows: 24 };

/** Writes the output of one role. */
export class Terminal {
  readonly options: TerminalOptions;
  readonly #concealment = new Redaction();
  #status: readonly string[] = [];
  /** The status that the terminal shows now. */
  #drawn: readonly string[] = [];
  #stdoutError: unknown = null;

  constructor(options: TerminalOptions) {
    this.options = options;
  }

  /** Whether stderr can show a line that changes. */
  get showsStatus(): boolean {
    const { json, quiet } = this.options;
    return !json && !quiet && Deno.stderr.isTerminal();
  }

  /** Whether a person sees all output, and can answer. */
  get isInteractive(): boolean {
    return this.showsStatus && Deno.stdin.isTerminal() &&
      Deno.stdout.isTerminal();
  }

  /** Columns for results, if they go to a terminal. */
  get resultColumns(): number | undefined {
    return Deno.stdout.isTerminal() ? this.size.columns : undefined;
  }

  /** Columns and rows; 80 and 24 if the terminal does not report them. */
  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = consoleSize();
    return {
      columns: columns || USUAL_SIZE.columns,
      rows: rows || USUAL_SIZE.rows,
    };
  }

  /**
   * Columns for a status. The last column is left free, because some terminals
   * would wrap there.
   */
  get statusColumns(): number {
    return this.size.columns - 1;
  }

  /** Keeps a secret out of all later output. */
  conceal(secret: string): void {
    this.#concealment.add(secret);
  }

  /** Prints a secret that the user requested, as a result. */
  reveal(line: string): void {
    if (!this.options.json) this.#writeOut(line + "\n");
  }

  /** An event with a secret that the user requested. */
  revealEvent<Event extends TerminalEvent>(event: Event): void {
    if (this.options.json) this.#writeOut(formatEvent(event) + "\n");
  }

  /** Prints a result line on stdout. */
  fact(line: string): void {
    if (!this.options.json) this.#toStdout(line + "\n");
  }

  /**
   * Prints any number of result lines. Waits for the reader without blocking
   * other work.
   *
   * @throws {Failure} like {@linkcode Terminal.check}, or the signal's reason.
   */
  async facts(lines: Iterable<string>, signal?: AbortSignal): Promise<void> {
    if (!this.options.json) await this.#pour(lines, signal);
  }

  /** Writes any number of events, like {@linkcode Terminal.facts}. */
  async events<Event extends TerminalEvent>(
    events: Iterable<Event>,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.options.json) await this.#pour(jsonLines(events), signal);
  }

  /** Prints a line for people, on stderr. */
  note(line: string): void {
    const { json, quiet, log } = this.options;
    if (!json && !quiet && !log) this.#toStderr(line + "\n");
  }

  /** Prints a question without a line break, on stderr. */
  ask(words: string): void {
    const { json, quiet } = this.options;
    if (!json && (!quiet || Deno.stderr.isTerminal())) this.#toStderr(words);
  }

  /** Shows a line that the next one replaces; an empty line removes it. */
  status(line: string): void {
    this.live(line === "" ? [] : [line]);
  }

  /** Shows lines in place of the last ones; an empty list removes them. */
  live(lines: readonly string[]): void {
    if (!this.showsStatus || lines.join("\n") === this.#status.join("\n")) {
      return;
    }
    this.#status = lines;
    this.#redraw(lines);
  }

  /** Draws the same lines again at the cursor, after another program wrote. */
  drawAgain(): void {
    this.#drawn = [];
    if (this.#status.length > 0) this.#redraw(this.#status);
  }

  /** Replaces the status on the terminal. */
  #redraw(lines: readonly string[]): void {
    const { columns } = this.size;
    const next = cutLines(lines, columns);
    write(Deno.stderr, replaceLines(this.#drawn, next, columns));
    this.#drawn = next;
  }

  /** Writes text with our own escape sequences, to a terminal only. */
  draw(text: string): void {
    if (this.showsStatus) write(Deno.stderr, text);
  }

  /** Writes an event, with `--json` or `--log`. */
  event<Event extends TerminalEvent>(event: Event): void {
    const { json, log: options } = this.options;
    if (json) this.#toStdout(formatEvent(event) + "\n");
    if (options === undefined) return;
    const line = formatLog(event, { options, now: new Date() });
    if (line !== undefined) this.#toStderr(line + "\n");
  }

  /** Writes content to stdout, with `--json` as an event. */
  async content(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.options.json) {
      const content = { event: "content", base64: bytes.toBase64() };
      this.#writeOut(formatEvent(content) + "\n");
      return this.check();
    }
    if (Deno.stdout.isTerminal()) this.status("");
    await orAborted(writeAll(Deno.stdout, bytes), signal);
  }

  /**
   * Writes lines to stdout, many at a time, because each write is a system
   * call.
   */
  async #pour(lines: Iterable<string>, signal?: AbortSignal): Promise<void> {
    if (Deno.stdout.isTerminal()) this.status("");
    for (const text of joined(lines, POUR_UNITS)) {
      this.check();
      const bytes = new TextEncoder().encode(this.#safe(text));
      await orAborted(writeAll(Deno.stdout, bytes), signal);
    }
  }

  /** @throws {Failure} of kind `local` if a write to stdout has failed. */
  check(): void {
    if (this.#stdoutError !== null) throw cannotWrite(this.#stdoutError);
  }

  /** Prints an error on stderr, with `--json` also as an event. */
  error(error: unknown): void {
    const { log, debug } = this.options;
    const failure = error instanceof Failure ? worded(error) : undefined;
    this.event({
      event: "error",
      ...(failure === undefined
        ? { kind: "bug", why: describeCause(error), exitCode: 1 }
        : { kind: failure.kind, ...failure.parts, exitCode: failure.exitCode }),
      ...(log && debug ? { stack: inspected(error) } : {}),
    } as TerminalEvent);
    if (log) return;
    const line = failure?.message ??
      `Internal error: ${
        describeCause(error)
      }; run again with --debug and report it`;
    this.#toStderr(`error: ${line}\n`);
    if (debug && error instanceof Error) {
      this.#toStderr(inspected(error) + "\n");
    }
  }

  /** The text without secrets, and without control of the terminal. */
  #safe(text: string): string {
    return showLines(this.#concealment.apply(text));
  }

  #toStdout(text: string): void {
    this.#writeOut(this.#safe(text));
  }

  #writeOut(text: string): void {
    const isAbove = this.#drawn.length > 0 && Deno.stdout.isTerminal();
    if (isAbove) this.#redraw([]);
    this.#stdoutError ??= write(Deno.stdout, text);
    if (isAbove) this.#redraw(this.#status);
  }

  #toStderr(text: string): void {
    if (this.#drawn.length > 0) this.#redraw([]);
    write(Deno.stderr, this.#safe(text)); // a failure cannot be reported anywhere
    if (this.#status.length > 0) this.#redraw(this.#status);
  }
}

/** `lines` with line breaks, joined to texts of about this many code units. */
function* joined(lines: Iterable<string>, units: number): Generator<string> {
  let text = "";
  for (const line of lines) {
    text += line + "\n";
    if (text.length < units) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}

function* jsonLines(events: Iterable<TerminalEvent>): Generator<string> {
  for (const event of events) yield formatEvent(event);
}

/** One line of JSON that cannot control a terminal. */
export function formatEvent({ event, ...fields }: TerminalEvent): string {
  const json = JSON.stringify({ v: 1, event, ...fields }, (_key, value) => {
    if (value instanceof Failure) return wordedParts(value);
    if (value instanceof Error) return describeCause(value);
    if (value instanceof Uint8Array) return value.toBase64();
    return value;
  });
  return escapeJson(json);
}

/** Writes; returns the error if that fails. */
function write(
  output: typeof Deno.stdout | typeof Deno.stderr,
  text: string,
): unknown {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += output.writeSync(bytes.subarray(written));
    }
    return null;
  } catch (error) {
    return error;
  }
}

function consoleSize(): { columns: number; rows: number } {
  try {
    return Deno.consoleSize();
  } catch {
    return { columns: 0, rows: 0 }; // no size available
  }
}
