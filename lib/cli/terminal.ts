/**
 * The one place that writes to stdout and stderr. stdout carries facts and
 * content; everything else goes to stderr. With `--json` stdout carries events
 * alone, one object a line.
 *
 * @module
 */

import { writeAll } from "./streams.ts";
import { describeCause, Failure } from "../errors.ts";

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

/** Writes for one role. */
export class Terminal {
  readonly options: TerminalOptions;

  /** Writes as `options` say. */
  constructor(options: TerminalOptions) {
    this.options = options;
  }

  /** A line of fact, on stdout. */
  fact(line: string): void {
    if (!this.options.json) writeLine(Deno.stdout, line);
  }

  /** A line for whoever watches, on stderr. */
  note(line: string): void {
    const { json, quiet } = this.options;
    if (!json && !quiet) writeLine(Deno.stderr, line);
  }

  /** Words without a line break, such as a question, on stderr. */
  ask(words: string): void {
    if (!this.options.json) writeText(Deno.stderr, words);
  }

  /** An event, where events were asked for. */
  event(event: TerminalEvent): void {
    if (this.options.json) writeLine(Deno.stdout, formatEvent(event));
  }

  /** Content, on stdout; as an event where events were asked for. */
  async content(bytes: Uint8Array): Promise<void> {
    if (this.options.json) {
      const content = { event: "content", base64: bytes.toBase64() };
      return this.event(content);
    }
    await writeAll(Deno.stdout, bytes);
  }

  /** An error, on stderr, and as an event where those were asked for. */
  error(error: unknown): void {
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
    writeLine(Deno.stderr, `error: ${line}`);
    if (this.options.debug && error instanceof Error) {
      writeLine(Deno.stderr, Deno.inspect(error));
    }
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

type Output = typeof Deno.stdout | typeof Deno.stderr;

function writeLine(output: Output, line: string): void {
  writeText(output, line + "\n");
}

function writeText(output: Output, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += output.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    // Whoever listened has left; a server goes on without.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
