/**
 * Delivers a file's content to stdout. If stdout is a terminal and the content
 * is not text, it offers to save the content to a file.
 *
 * @module
 */

import type { FetchedFile } from "../../client/fetch.ts";
import { describeCause, Failure } from "../../base/errors.ts";
import { PARTIAL_SUFFIX, safeName } from "../../base/names.ts";
import { isGranted } from "../../base/permission.ts";
import { show, TextCheck } from "../../base/text.ts";
import type { Input } from "../output/streams.ts";
import type { Terminal } from "../output/terminal.ts";

/** Options of {@linkcode deliver}. */
export interface DeliveryOptions {
  readonly terminal: Terminal;
  readonly input: Input;
  readonly signal: AbortSignal | undefined;
}

/**
 * Delivers all of `file`.
 *
 * @throws {Failure} of kind `local` if it is not text and may go only to the
 * terminal.
 */
export async function deliver(
  file: FetchedFile,
  options: DeliveryOptions,
): Promise<void> {
  const { terminal, signal } = options;
  if (terminal.options.json || !Deno.stdout.isTerminal()) {
    for await (const piece of file.pieces()) {
      await terminal.content(piece, signal);
    }
    return;
  }
  const text = new TextCheck();
  const pieces = file.pieces();
  const { start, end } = file.section;
  let shown = 0;
  let last: number | undefined;
  for (;;) {
    // Not `for await`: the rest may still be needed after the first piece.
    const { value: piece, done } = await pieces.next();
    if (done) break;
    const isEnd = shown + piece.length === end - start;
    if (!text.accepts(piece) || (isEnd && !text.acceptsEnd())) {
      return await saveInstead(
        { file, piece, pieces, isFirst: shown === 0 },
        options,
      );
    }
    await terminal.content(piece, signal);
    shown += piece.length;
    last = piece.at(-1);
  }
  if (last !== undefined && last !== NEWLINE) terminal.note("");
}

const NEWLINE = 0x0a;

/** Offers to save the content, because it is not text from `piece` on. */
async function saveInstead(
  { file, piece, pieces, isFirst }: {
    file: FetchedFile;
    piece: Uint8Array;
    pieces: AsyncGenerator<Uint8Array>;
    isFirst: boolean;
  },
  options: DeliveryOptions,
): Promise<void> {
  const { terminal } = options;
  terminal.note(
    `${show(file.name)} is not text: it is not shown on the terminal`,
  );
  const path = isFirst ? await askForPath(file.name, options) : undefined;
  if (path === undefined) {
    await pieces.return(undefined);
    throw new Failure("local", {
      what: "Cannot show file",
      where: show(file.name),
      why: "it is not text",
      remedy: "send it to a file: … cat NAME > FILE",
    });
  }
  await save(path, async (output) => {
    await writeWhole(output, piece);
    for await (const next of pieces) await writeWhole(output, next);
  });
  terminal.note(`saved as ${show(path)}`);
}

/** Asks the user at a terminal where to save. */
async function askForPath(
  name: string,
  { terminal, input, signal }: DeliveryOptions,
): Promise<string | undefined> {
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return undefined;
  if (!maySave()) return undefined; // saving would fail
  const proposal = name.split("/").at(-1) ?? name;
  terminal.ask(`save it as (Enter takes ${show(proposal)}, q goes back): `);
  const answer = (await input.line(signal))?.trim() ?? "q";
  if (/^(q|no?)$/i.test(answer)) return undefined;
  const verdict = safeName(/^(y|yes)?$/i.test(answer) ? proposal : answer);
  if (verdict.kind === "refused") {
    terminal.note(verdict.rule);
    return undefined;
  }
  return verdict.name;
}

function maySave(): boolean {
  return (["read", "write"] as const).every((name) =>
    isGranted({ name, path: "." })
  );
}

/**
 * Writes a new file: under a temporary name until it is complete, and never
 * over an existing file.
 */
async function save(
  path: string,
  write: (output: Deno.FsFile) => Promise<void>,
): Promise<void> {
  const temporary = `.${crypto.randomUUID()}${PARTIAL_SUFFIX}`;
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
      remedy: "choose another name, or use get",
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
