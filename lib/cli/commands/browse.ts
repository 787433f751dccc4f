/**
 * The list of files in the dialogue: choose a file, print or save it, and
 * repeat until the user quits. A failure is reported, and the list opens again.
 *
 * @module
 */

import {
  type FileListing,
  listFiles,
  listNodes,
} from "../../client/listing.ts";
import type { ListedNode } from "../../client/nodes.ts";
import {
  chosenNodes,
  type TransferOptions,
} from "../../client/transfer_options.ts";
import { Failure } from "../../base/errors.ts";
import { pickFile } from "../picker/pick.ts";
import { missingToSaveHere, saveFile } from "./saving.ts";
import type { Input } from "../output/streams.ts";
import { formatFiles } from "../output/tables.ts";
import { EventPrinter } from "./event_printer.ts";
import { triedOn } from "../output/tried.ts";
import type { Terminal } from "../output/terminal.ts";

/** Options of {@linkcode browse}. */
export interface BrowseCommandOptions {
  readonly terminal: Terminal;
  readonly input: Input;
  readonly signal: AbortSignal;
  /** The active nodes, listed just now. */
  readonly nodes: readonly ListedNode[];
  /** Fetches a file and prints it. */
  readonly showFile: (
    name: string,
    nodes: readonly ListedNode[],
  ) => Promise<void>;
}

// A terminal keeps a few thousand rows; `ls` prints everything.
const MOST_LISTED = 1_000;
const PROMPT = "file name (Enter lists again, q quits): ";

/** Offers files until the user quits; resolves to the exit code. */
export async function browse(
  options: TransferOptions,
  context: BrowseCommandOptions,
): Promise<number> {
  await new BrowseRun(options, context).run();
  return 0;
}

class BrowseRun {
  readonly #options: TransferOptions;
  readonly #with: BrowseCommandOptions;
  #nodes: readonly ListedNode[];
  #listed: readonly FileListing[] = [];

  constructor(options: TransferOptions, context: BrowseCommandOptions) {
    const { onEvent } = new EventPrinter(context.terminal);
    this.#options = {
      ...options,
      onEvent: (event) => {
        // Already printed when the dialogue began.
        if (event.event !== "relay_unverified") onEvent(event);
      },
    };
    this.#with = context;
    this.#nodes = context.nodes;
  }

  async run(): Promise<void> {
    // Checked before the user chooses a file and types a path.
    const flags = missingToSaveHere();
    if (flags !== "") {
      this.#with.terminal.note(
        `(to save in this folder, start the client with ${flags})`,
      );
    }
    await this.#attempt(async () => await this.#offer());
    for (;;) {
      const name = await this.#ask(PROMPT);
      if (name === null || name === "q") return;
      await this.#attempt(async () => {
        if (name !== "" && name !== "?") return await this.#deliverTyped(name);
        const { nodes } = await listNodes(this.#options);
        this.#nodes = nodes;
        await this.#offer();
      });
    }
  }

  /** Does `action`, and reports a failure without ending. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    const { terminal, signal } = this.#with;
    try {
      await action();
    } catch (error) {
      terminal.status("");
      if (!(error instanceof Failure) || signal.aborted) throw error;
      triedOn(terminal).print(terminal);
      terminal.error(error);
    }
  }

  /** Lists the files, and delivers the one that the user picks. */
  async #offer(): Promise<void> {
    const { terminal } = this.#with;
    const nodes = chosenNodes(this.#nodes, this.#options);
    terminal.status("listing files …");
    const files = await listFiles({ ...this.#options, nodes });
    terminal.status("");
    this.#listed = files;
    if (files.length === 0) return terminal.note("no active node has any file");
    const picked = await pickFile(files, {
      ...this.#with,
      nodeCount: nodes.length,
    });
    if (picked.kind === "unable") return this.#listPlainly(files);
    if (picked.kind === "left") return;
    for (const row of formatFiles([picked.file])) terminal.note(row);
    await this.#deliver(picked.file.name);
  }

  #listPlainly(files: readonly FileListing[]): void {
    const { terminal } = this.#with;
    for (const row of formatFiles(files.slice(0, MOST_LISTED))) {
      terminal.note(row);
    }
    const more = files.length - MOST_LISTED;
    if (more > 0) {
      terminal.note(`and ${more} more: list the files with the command ls`);
    }
  }

  /**
   * Delivers a file by a typed name. There is nothing to choose for a name that
   * was not listed: most such names are mistyped.
   */
  async #deliverTyped(typed: string): Promise<void> {
    const isListed = this.#listed.some(({ name }) =>
      name === typed || name.endsWith(`/${typed}`)
    );
    if (isListed) await this.#deliver(typed);
    else await this.#with.showFile(typed, this.#nodes);
  }

  /** Prints or saves a file, as the user answers. */
  async #deliver(name: string): Promise<void> {
    const answer = await this.#ask(
      "print or save it? (Enter prints, s saves, q goes back): ",
    );
    if (/^(p(rint)?)?$/i.test(answer ?? "q")) {
      await this.#with.showFile(name, this.#nodes);
    } else if (/^s(ave)?$/i.test(answer ?? "")) {
      const nodes = this.#nodes;
      const ask = (words: string) => this.#ask(words);
      const { terminal } = this.#with;
      await saveFile(name, { ...this.#options, nodes }, { terminal, ask });
    } else if (answer !== null && answer !== "q") {
      this.#with.terminal.note(
        "unknown answer: the file was neither printed nor saved",
      );
    }
  }

  /** The user's answer; `null` for Ctrl-D. */
  async #ask(words: string): Promise<string | null> {
    const { terminal, input, signal } = this.#with;
    terminal.ask(words);
    const answer = (await input.line(signal))?.trim() ?? null;
    if (answer === null) terminal.note("");
    return answer;
  }
}
