/**
 * Prints once what a `get` has saved: before it continues to serve others, or
 * otherwise at its end.
 *
 * @module
 */

import type { ClientEvent } from "../../client/events.ts";
import { counted, showWhole } from "../../base/text.ts";
import type { SingleCopies } from "../output/single_copies.ts";
import type { Terminal } from "../output/terminal.ts";
import { triedOn } from "../output/tried.ts";
import type { Planned } from "./planned.ts";
import type { ReceiptWriter } from "./receipt.ts";
import type { Saved } from "./saved.ts";
import { gaveInWords } from "./swarming.ts";

/** Options of {@linkcode Conclusion}. */
export interface ConclusionOptions {
  readonly terminal: Terminal;
  readonly saved: Saved | Planned;
  readonly replicas: SingleCopies;
  readonly receipt: ReceiptWriter | undefined;
  /** Whether more files may be saved after this client served others. */
  readonly mayGoOn: boolean;
}

/** The summary of a `get`. */
export class Conclusion {
  readonly #options: ConclusionOptions;
  #printed: Promise<void> | undefined;
  /** What was sent to others, to be printed after the rest. */
  #gave: readonly string[] = [];

  constructor(options: ConclusionOptions) {
    this.#options = options;
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    const { saved, replicas, receipt, mayGoOn } = this.#options;
    saved.note(event);
    replicas.note(event);
    receipt?.note(event);
    if (event.event === "swarm_ended") {
      this.#gave = [...this.#gave, ...gaveInWords(event)];
      if (this.#printed !== undefined) this.#printGiven();
    }
    if (event.event !== "swarm_lingers" || mayGoOn) return;
    this.print().catch(() => {}); // awaited at the end
  }

  #printGiven(): void {
    const { terminal } = this.#options;
    terminal.status("");
    for (const line of this.#gave) terminal.note(line);
    this.#gave = [];
  }

  /**
   * Prints the summary, unless it was printed already.
   *
   * @throws {Failure} of kind `local` if the receipt cannot be written.
   */
  print(): Promise<void> {
    this.#printed ??= this.#print();
    return this.#printed;
  }

  async #print(): Promise<void> {
    const { terminal, saved, replicas, receipt } = this.#options;
    terminal.status("");
    saved.summarize();
    this.#printGiven();
    replicas.warn(terminal);
    await printReceipt(receipt, terminal);
    triedOn(terminal).print(terminal);
  }
}

async function printReceipt(
  receipt: ReceiptWriter | undefined,
  terminal: Terminal,
): Promise<void> {
  if (receipt === undefined) return;
  const files = await receipt.write();
  const { path } = receipt.options;
  if (files === 0) {
    return terminal.note("no receipt written: nothing was saved");
  }
  terminal.note(
    `receipt of ${counted(files, "file")}: ${showWhole(path)}`,
  );
  terminal.event({ event: "receipt_written", path, files });
}
