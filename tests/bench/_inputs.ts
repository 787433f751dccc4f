/**
 * What is fetched: random bytes, made when first asked for, and removed with
 * everything else in the folder.
 */

import { join } from "@std/path";
import { memoryFolder } from "./_memory.ts";
import { run } from "./_servers.ts";

const MIB = 1024 ** 2;

const SMALL_FILES = 10_000;
const SMALL_FILE_BYTES = 4096;

/** The inputs: a big file, a smaller one for slow nodes, many small ones. */
export type InputName = "big" | "part" | "many";

/** One input. */
export interface Input {
  /** The folder to share, which holds nothing else. */
  readonly directory: string;
  /** What to ask for in it; a folder's ends with a slash. */
  readonly name: string;
  readonly bytes: number;
}

/** Inputs and outputs in a folder of their own. Disposing removes it. */
export class Inputs implements AsyncDisposable {
  readonly folder: string;
  readonly #bytes: Readonly<Record<InputName, number>>;
  readonly #made = new Map<InputName, Promise<Input>>();
  readonly #signal: AbortSignal;

  private constructor(
    folder: string,
    bytes: Readonly<Record<InputName, number>>,
    signal: AbortSignal,
  ) {
    this.folder = folder;
    this.#bytes = bytes;
    this.#signal = signal;
  }

  /** Takes a folder; `sizeMib` is the size of the big file. */
  static async open(sizeMib: number, signal: AbortSignal): Promise<Inputs> {
    const bytes = {
      big: sizeMib * MIB,
      part: Math.ceil(400e6 * sizeMib / 1024),
      many: SMALL_FILES * SMALL_FILE_BYTES,
    };
    const dir = memoryFolder();
    const folder = await Deno.realPath(
      await Deno.makeTempDir({ ...dir && { dir }, prefix: "relay-p2p-bench-" }),
    );
    return new Inputs(folder, bytes, signal);
  }

  /** An input, which is in the page cache. */
  get(name: InputName): Promise<Input> {
    const made = this.#made.get(name) ?? this.#make(name);
    this.#made.set(name, made);
    return made;
  }

  /** A folder to share with one file that nobody asks for. */
  async otherShare(number: number): Promise<string> {
    const directory = join(this.folder, `other${number}`);
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(join(directory, `other${number}.txt`), "other");
    return directory;
  }

  async #make(input: InputName): Promise<Input> {
    const directory = join(this.folder, input);
    const bytes = this.#bytes[input];
    await Deno.mkdir(directory);
    if (input !== "many") {
      const name = `${input}.bin`;
      await this.#writeRandom(join(directory, name), bytes);
      return { directory, name, bytes };
    }
    const name = "many/";
    await Deno.mkdir(join(directory, name));
    for (let at = 0; at < SMALL_FILES; at++) {
      const file = `${String(at).padStart(5, "0")}.bin`;
      await this.#writeRandom(join(directory, name, file), SMALL_FILE_BYTES);
    }
    return { directory, name, bytes };
  }

  async #writeRandom(path: string, bytes: number): Promise<void> {
    const most = 65_536; // of getRandomValues
    const buffer = new Uint8Array(Math.min(bytes, MIB));
    using file = await Deno.open(path, { write: true, createNew: true });
    for (let left = bytes; left > 0; left -= buffer.length) {
      this.#signal.throwIfAborted();
      for (let at = 0; at < buffer.length; at += most) {
        crypto.getRandomValues(buffer.subarray(at, at + most));
      }
      const block = buffer.subarray(0, Math.min(left, buffer.length));
      for (let at = 0; at < block.length;) {
        at += await file.write(block.subarray(at));
      }
    }
  }

  /** A folder for the output of one program, with what it brought before. */
  async keptOutput(program: string): Promise<string> {
    // Permissions for several paths have commas between them.
    const name = program.replaceAll(/[^a-z0-9]+/g, "-");
    const output = join(this.folder, `output-${name}`);
    await Deno.mkdir(output, { recursive: true });
    return output;
  }

  /** An empty folder for an output, without what was there. */
  async emptyOutput(): Promise<string> {
    const output = join(this.folder, "output");
    try {
      await Deno.remove(output, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await Deno.mkdir(output);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/**
 * Compares what was fetched with what was served, byte for byte.
 *
 * @throws when anything differs, is missing, or is there besides.
 */
export async function compare(input: Input, output: string): Promise<void> {
  const paths = [join(input.directory, input.name), join(output, input.name)];
  if (input.name.endsWith("/")) await run(["diff", "-r", ...paths]);
  else await run(["cmp", ...paths]);
  const entries = await Array.fromAsync(Deno.readDir(output));
  if (entries.length !== 1) {
    const names = entries.map(({ name }) => name).join(", ");
    throw new Error(`more was left behind than was fetched: ${names}`);
  }
}
