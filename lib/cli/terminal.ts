/**
 * The one place that writes to stdout and stderr. stdout carries facts and
 * content; everything else goes to stderr. With `--json` stdout carries events
 * alone, one object a line. What cannot be written is no reason to stop a
 * server: it is remembered, and told by those who have something to deliver.
 *
 * @module
 */

import { describeCause, Failure } from "../errors.ts";
import { cannotWrite, isClosedOutput, orAborted, writeAll } from "./streams.ts";

/** What the options said about output. */
export interface TerminalOptions {
  /** Events on stdout, in place of facts and content. */
  readonly json: boolean;
  /** No notes. */
  readonly quiet: boolean;
  /** Stack traces with errors. */
  readonly debug: boolean;
}

/** An event: a name and what belongs to it. */
export interface TerminalEvent {
  /** Its name. */
  readonly event: string;
}

// What JSON leaves as it is, but a terminal would act on or hide.
const UNSHOWABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const CLEAR_LINE = "\r\x1b[K";

/** Writes for one role. */
export class Terminal {
  readonly options: TerminalOptions;
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

  /** A line of fact, on stdout. */
  fact(line: string): void {
    if (!this.options.json) this.#toStdout(line + "\n");
  }

  /** A line for whoever watches, on stderr. */
  note(line: string): void {
    const { json, quiet } = this.options;
    if (!json && !quiet) this.#toStderr(line + "\n");
  }

  /** Words without a line break, such as a question, on stderr. */
  ask(words: string): void {
    const { json, quiet } = this.options;
    if (!json && (!quiet || Deno.stderr.isTerminal())) this.#toStderr(words);
  }

  /** A line that the next one replaces; an empty one removes it. */
  status(line: string): void {
    if (!this.showsStatus || line === this.#status) return;
    write(Deno.stderr, CLEAR_LINE + cutToWidth(line));
    this.#status = line;
  }

  /** An event, where events were asked for. */
  event(event: TerminalEvent): void {
    if (this.options.json) this.#toStdout(formatEvent(event) + "\n");
  }

  /** Content, on stdout; as an event where events were asked for. */
  async content(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.options.json) {
      const content = { event: "content", base64: bytes.toBase64() };
      this.event(content);
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
    const failure = error instanceof Failure ? error : undefined;
    this.event({
      event: "error",
      ...(failure === undefined
        ? { kind: "bug", why: describeCause(error), exitCode: 1 }
        : { kind: failure.kind, ...failure.parts, exitCode: failure.exitCode }),
    } as TerminalEvent);
    const line = failure?.message ??
      `Internal error: ${
        describeCause(error)
      }; run again with --debug and report it`;
    this.#toStderr(`error: ${line}\n`);
    if (this.options.debug && error instanceof Error) {
      this.#toStderr(Deno.inspect(error) + "\n");
    }
  }

  #toStdout(text: string): void {
    this.#stdoutError ??= write(Deno.stdout, text);
  }

  #toStderr(text: string): void {
    const status = this.#status;
    if (status !== "") write(Deno.stderr, CLEAR_LINE);
    write(Deno.stderr, text); // nowhere to tell that it failed
    if (status !== "") write(Deno.stderr, cutToWidth(status));
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
  return json.replaceAll(
    UNSHOWABLE,
    (character) =>
      Array.from(
        { length: character.length },
        (_, unit) =>
          `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
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

/** So much of `line` as a terminal shows in one row. */
function cutToWidth(line: string): string {
  let columns = 0;
  try {
    columns = Deno.consoleSize().columns;
  } catch {
    columns = 0; // no size to be had
  }
  const width = columns > 0 ? columns - 1 : 79;
  return Array.from(line).slice(0, width).join("");
}
