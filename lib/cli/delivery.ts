/**
 * Brings a file's content to where it is wanted: to stdout, or, where that is a
 * terminal and the content is no text, into a file if the person agrees.
 *
 * @module
 */

import { basename } from "@std/path";
import type { FetchedFile } from "../client.ts";
import { describeCause, Failure } from "../errors.ts";
import { PARTIAL_SUFFIX, safeName } from "../names.ts";
import { show, TextCheck } from "../text.ts";
import type { Terminal } from "./terminal.ts";
import { inputLines } from "./streams.ts";

/** Takes one file to its place. */
export class Delivery {
  readonly #terminal: Terminal;
  readonly #onTerminal: boolean;
  readonly #lines: AsyncIterator<string> | undefined;

  /** Asks through `lines` when there is something to ask. */
  constructor(terminal: Terminal, lines?: AsyncIterator<string>) {
    this.#terminal = terminal;
    this.#lines = lines;
    this.#onTerminal = !terminal.options.json && Deno.stdout.isTerminal();
  }

  /**
   * Delivers all of `file`.
   *
   * @throws {Failure} of kind `local` when it is not text and there is no other
   * place for it than the terminal.
   */
  async deliver(file: FetchedFile): Promise<void> {
    if (!this.#onTerminal) {
      for await (const piece of file.pieces()) {
        await this.#terminal.content(piece);
      }
      return;
    }
    const text = new TextCheck();
    const pieces = file.pieces();
    let shown = 0;
    let last: number | undefined;
    for await (const piece of pieces) {
      const isEnd = shown + piece.length === file.size;
      if (!text.accepts(piece) || (isEnd && !text.acceptsEnd())) {
        return await this.#saveInstead(file, shown, piece, pieces);
      }
      await this.#terminal.content(piece);
      shown += piece.length;
      last = piece.at(-1);
    }
    if (last !== undefined && last !== NEWLINE) this.#terminal.note("");
  }

  /** The content has turned out to be no text, at `piece`. */
  async #saveInstead(
    file: FetchedFile,
    shown: number,
    piece: Uint8Array,
    rest: AsyncGenerator<Uint8Array>,
  ): Promise<void> {
    this.#terminal.note(
      `${show(file.name)} is not text: it is not shown on the terminal`,
    );
    const path = shown === 0 ? await this.#askForPath(file.name) : undefined;
    if (path === undefined) {
      throw new Failure("local", {
        what: "Cannot show file",
        where: show(file.name),
        why: "it is not text",
        remedy: "send it to a file: … cat NAME > FILE",
      });
    }
    await save(path, async (output) => {
      await writeWhole(output, piece);
      for await (const next of rest) await writeWhole(output, next);
    });
    this.#terminal.note(`saved as ${show(path)}`);
  }

  /** Where to save, if a person at a terminal says so. */
  async #askForPath(name: string): Promise<string | undefined> {
    if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return undefined;
    const proposal = basename(name);
    this.#terminal.ask(
      `save it as ${show(proposal)}? (y, another name, or n): `,
    );
    const lines = this.#lines ?? inputLines();
    const answer = (await lines.next()).value?.trim() ?? "n";
    if (answer === "" || /^n(o)?$/i.test(answer)) return undefined;
    if (/^y(es)?$/i.test(answer)) return proposal;
    const verdict = safeName(answer);
    if (verdict.kind === "safe") return verdict.name;
    this.#terminal.note(verdict.rule);
    return undefined;
  }
}

const NEWLINE = 0x0a;

/**
 * Writes a new file: under another name until it is whole, never over one that
 * exists.
 */
async function save(
  path: string,
  write: (output: Deno.FsFile) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}${PARTIAL_SUFFIX}`;
  try {
    using output = await Deno.open(temporary, {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    try {
      await write(output);
      await output.sync();
      await Deno.link(temporary, path);
    } finally {
      await Deno.remove(temporary);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("local", {
      what: "Cannot save file",
      where: show(path),
      why: describeCause(error),
      remedy: error instanceof Deno.errors.NotCapable
        ? "grant it with --allow-read --allow-write"
        : "choose another name",
      cause: error,
    });
  }
}

async function writeWhole(
  output: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await output.write(bytes.subarray(written));
  }
}
