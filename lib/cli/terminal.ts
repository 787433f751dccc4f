/**
 * The one place that writes to stdout and stderr. stdout carries facts and
 * content; everything else goes to stderr. With `--json` stdout carries events
 * alone, one object a line. What cannot be written is no reason to stop a
 * server: it is remembered, and told by those who have something to deliver.
 *
 * @module
 */

import { describeCause, Failure } from "../errors.ts";
import { Concealment } from "./concealment.ts";
import { escapeJson } from "../text.ts";
import { formatLog, type LoggedEvent, type LogOptions } from "./log.ts";
import { cannotWrite, isClosedOutput, orAborted, writeAll } from "./streams.ts";
import { startOf } from "./width.ts";

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

const CLEAR_LINE = "\r\x1b[K";
// Where a terminal does not tell its size.
const USUAL_SIZE = { columns: 80, rows: 24 };

/** Writes for one role. */
export class Terminal {
  readonly options: TerminalOptions;
  readonly #concealment = new Concealment();
  #status = "";
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
    write(Deno.stderr, CLEAR_LINE + this.#cutToWidth(line));
    this.#status = line;
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
    this.status("");
    await orAborted(writeAll(Deno.stdout, bytes), signal);
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
    if (isClosedOutput(error)) return; // as other tools do: there is nobody
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
    const status = this.#status;
    if (status !== "") write(Deno.stderr, CLEAR_LINE);
    write(Deno.stderr, this.#concealment.apply(text)); // nowhere to tell that it failed
    if (status !== "") write(Deno.stderr, this.#cutToWidth(status));
  }

  /** So much of `line` as stands in one row, short of the last column. */
  #cutToWidth(line: string): string {
    return startOf(line, this.size.columns - 1);
  }
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
