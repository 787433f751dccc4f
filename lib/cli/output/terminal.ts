/**
 * The one place that writes to stdout and stderr. stdout carries facts and
 * content; everything else goes to stderr. With `--json` stdout carries events
 * alone, one object a line. What cannot be written is no reason to stop a
 * server: it is remembered, and told by those who have something to deliver.
 *
 * @module
 */

import { describeCause, Failure } from "../../base/errors.ts";
import { Concealment } from "./concealment.ts";
import { escapeJson } from "../../base/text.ts";
import { formatLog, type LoggedEvent, type LogOptions } from "./log.ts";
import { cannotWrite, orAborted, writeAll } from "./streams.ts";
import { startOf, widthOf } from "./width.ts";

/** What the options said about output. */
export interface TerminalOptions {
  /** Events on stdout, in place of facts and content. */
  readonly json: boolean;
  /** No notes. */
  readonly quiet: boolean;
  /** Stack traces with errors. */
  readonly debug: boolean;
  /** Events as log lines on stderr, in place of notes and errors. */
  readonly log?: LogOptions | undefined;
}

/** An event: a name and what belongs to it. */
export type TerminalEvent = LoggedEvent;

// Much larger ones would be held twice, as text and as bytes.
const POUR_UNITS = 32 * 1024;
// Where a terminal does not tell its size.
const USUAL_SIZE = { columns: 80, rows: 24 };

/** Writes for one role. */
export class Terminal {
  readonly options: TerminalOptions;
  readonly #concealment = new Concealment();
  #status = "";
  /** The status as it stands on the terminal. */
  #drawn = "";
  #stdoutError: unknown = null;

  /** Writes as `options` say. */
  constructor(options: TerminalOptions) {
    this.options = options;
  }

  /** Whether a line can be redrawn on stderr. */
  get showsStatus(): boolean {
    const { json, quiet } = this.options;
    return !json && !quiet && Deno.stderr.isTerminal();
  }

  /** Whether a person sees all that is written, and can answer. */
  get isInteractive(): boolean {
    return this.showsStatus && Deno.stdin.isTerminal() &&
      Deno.stdout.isTerminal();
  }

  /** Columns and rows; the usual ones where there are none to be had. */
  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = consoleSize();
    return {
      columns: columns || USUAL_SIZE.columns,
      rows: rows || USUAL_SIZE.rows,
    };
  }

  /** Columns of a status: the last one would make some terminals go on below. */
  get statusColumns(): number {
    return this.size.columns - 1;
  }

  /** Keeps a secret out of all that is written from now on. */
  conceal(secret: string): void {
    this.#concealment.add(secret);
  }

  /** A secret that the person has asked for, as a line of fact. */
  reveal(line: string): void {
    if (!this.options.json) this.#writeOut(line + "\n");
  }

  /** An event with a secret that the person has asked for. */
  revealEvent<Event extends TerminalEvent>(event: Event): void {
    if (this.options.json) this.#writeOut(formatEvent(event) + "\n");
  }

  /** A line of fact, on stdout. */
  fact(line: string): void {
    if (!this.options.json) this.#toStdout(line + "\n");
  }

  /**
   * Lines of fact, any number of them. Waits for whoever reads, without holding
   * up all else.
   *
   * @throws {Failure} as {@linkcode Terminal.check}, or the signal's reason.
   */
  async facts(lines: Iterable<string>, signal?: AbortSignal): Promise<void> {
    if (!this.options.json) await this.#pour(lines, signal);
  }

  /** Events, any number of them, as {@linkcode Terminal.facts}. */
  async events<Event extends TerminalEvent>(
    events: Iterable<Event>,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.options.json) await this.#pour(jsonLines(events), signal);
  }

  /** A line for whoever watches, on stderr. */
  note(line: string): void {
    const { json, quiet, log } = this.options;
    if (!json && !quiet && !log) this.#toStderr(line + "\n");
  }

  /** Words without a line break, such as a question, on stderr. */
  ask(words: string): void {
    const { json, quiet } = this.options;
    if (!json && (!quiet || Deno.stderr.isTerminal())) this.#toStderr(words);
  }

  /** A line that the next one replaces; an empty one removes it. */
  status(line: string): void {
    if (!this.showsStatus || line === this.#status) return;
    this.#status = line;
    this.#redraw(line);
  }

  /**
   * Puts `line` in place of the status that is drawn. Without escape sequences:
   * whether the terminal knows any is in `TERM`, which may not be read.
   */
  #redraw(line: string): void {
    const columns = this.statusColumns;
    const next = startOf(line, columns);
    const old = Math.min(widthOf(this.#drawn), columns);
    const blank = " ".repeat(Math.max(0, old - widthOf(next)));
    write(Deno.stderr, `\r${next}${blank}${next === "" ? "\r" : ""}`);
    this.#drawn = next;
  }

  /** Text with escape sequences of our own, for a terminal alone. */
  draw(text: string): void {
    if (this.showsStatus) write(Deno.stderr, text);
  }

  /** An event, where events were asked for. */
  event<Event extends TerminalEvent>(event: Event): void {
    const { json, log: options } = this.options;
    if (json) this.#toStdout(formatEvent(event) + "\n");
    if (options === undefined) return;
    const line = formatLog(event, { options, now: new Date() });
    if (line !== undefined) this.#toStderr(line + "\n");
  }

  /** Content, on stdout; as an event where events were asked for. */
  async content(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.options.json) {
      const content = { event: "content", base64: bytes.toBase64() };
      this.#writeOut(formatEvent(content) + "\n");
      return this.check();
    }
    if (Deno.stdout.isTerminal()) this.status("");
    await orAborted(writeAll(Deno.stdout, bytes), signal);
  }

  /** Writes lines to stdout, some at a time: a write takes a call of the system. */
  async #pour(lines: Iterable<string>, signal?: AbortSignal): Promise<void> {
    if (Deno.stdout.isTerminal()) this.status("");
    for (const text of joined(lines, POUR_UNITS)) {
      this.check();
      const bytes = new TextEncoder().encode(this.#concealment.apply(text));
      await orAborted(writeAll(Deno.stdout, bytes), signal);
    }
  }

  /**
   * @throws {Failure} of kind `local` when something could not be written to
   * stdout.
   */
  check(): void {
    if (this.#stdoutError !== null) throw cannotWrite(this.#stdoutError);
  }

  /** An error, on stderr, and as an event where those were asked for. */
  error(error: unknown): void {
    const { log, debug } = this.options;
    const failure = error instanceof Failure ? error : undefined;
    this.event({
      event: "error",
      ...(failure === undefined
        ? { kind: "bug", why: describeCause(error), exitCode: 1 }
        : { kind: failure.kind, ...failure.parts, exitCode: failure.exitCode }),
      ...(log && debug ? { stack: Deno.inspect(error) } : {}),
    } as TerminalEvent);
    if (log) return;
    const line = failure?.message ??
      `Internal error: ${
        describeCause(error)
      }; run again with --debug and report it`;
    this.#toStderr(`error: ${line}\n`);
    if (debug && error instanceof Error) {
      this.#toStderr(Deno.inspect(error) + "\n");
    }
  }

  #toStdout(text: string): void {
    this.#writeOut(this.#concealment.apply(text));
  }

  #writeOut(text: string): void {
    this.#stdoutError ??= write(Deno.stdout, text);
  }

  #toStderr(text: string): void {
    if (this.#drawn !== "") this.#redraw("");
    write(Deno.stderr, this.#concealment.apply(text)); // nowhere to tell that it failed
    if (this.#status !== "") this.#redraw(this.#status);
  }
}

/** `lines` with their ends, joined to texts of about so many code units. */
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

/** One line of JSON that no terminal acts on. */
export function formatEvent({ event, ...fields }: TerminalEvent): string {
  const json = JSON.stringify({ v: 1, event, ...fields }, (_key, value) => {
    if (value instanceof Failure) return { kind: value.kind, ...value.parts };
    if (value instanceof Error) return describeCause(value);
    if (value instanceof Uint8Array) return value.toBase64();
    return value;
  });
  return escapeJson(json);
}

/** Writes; returns the error when that fails. */
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
    return { columns: 0, rows: 0 }; // no size to be had
  }
}
