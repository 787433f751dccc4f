/**
 * Shows a node's fetches. On a terminal, running fetches have lines that change,
 * and each finished fetch gets a line that stays. Elsewhere it prints one line
 * for each connection, or with `--verbose` one for each finished fetch.
 *
 * @module
 */

import { counted, show } from "../../base/text.ts";
import type { RunningFetch } from "../../node/fetch_types.ts";
import type { NodeEvent } from "../../node/server.ts";
import { formatRunning, formatSent } from "../output/fetches.ts";
import type { Terminal } from "../output/terminal.ts";

/** The most running fetches shown; few, because messages scroll above them. */
const LIVE_LINES = 5;

/** Options of {@linkcode FetchLines}. */
export interface FetchLinesOptions {
  readonly isVerbose: boolean;
}

/** Fetches of a node on its terminal. */
export class FetchLines implements Disposable {
  readonly #terminal: Terminal;
  readonly #isEach: boolean;
  readonly #onContinue = () => this.#terminal.drawAgain();

  constructor(terminal: Terminal, { isVerbose }: FetchLinesOptions) {
    this.#terminal = terminal;
    this.#isEach = isVerbose || terminal.showsStatus;
    if (this.isLive) Deno.addSignalListener("SIGCONT", this.#onContinue);
  }

  /** Whether running fetches are shown. */
  get isLive(): boolean {
    return this.#terminal.showsStatus && Deno.build.os !== "windows";
  }

  /** Shows what is being sent now. */
  show(running: readonly RunningFetch[]): void {
    const { statusColumns: columns, size: { rows } } = this.#terminal;
    const lines = Math.max(1, Math.min(LIVE_LINES, rows - 2));
    this.#terminal.live(formatRunning(running, { columns, lines }));
  }

  /** Prints a line for an event about what was sent. */
  print(event: NodeEvent): void {
    const { event: kind } = event;
    if (this.#isEach && kind === "fetch_ended") {
      const { size, isWhole, ...sent } = event;
      this.#terminal.note(formatSent(isWhole ? sent : { ...sent, size }));
    } else if (this.#isEach && kind === "files_sent") {
      this.#terminal.note(formatSent(event));
    } else if (!this.#isEach && kind === "served") {
      const { name, files, bytes, to } = event;
      const what = name === undefined ? counted(files, "file") : show(name);
      this.#terminal.note(
        `sent ${what}, ${counted(bytes, "byte")}, to ${show(to)}`,
      );
    }
  }

  [Symbol.dispose](): void {
    if (this.isLive) Deno.removeSignalListener("SIGCONT", this.#onContinue);
    this.#terminal.live([]);
  }
}
