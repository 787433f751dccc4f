/**
 * Shows how far the receivers of sent files are, and counts complete fetches.
 *
 * @module
 */

import { counted, show } from "../../base/text.ts";
import type {
  PiecesSent,
  ReceiverProgress,
  Receivers,
  SentFile,
} from "../../node/receivers.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { formatRunning } from "../output/fetches.ts";
import { formatFetched } from "../output/sending.ts";
import type { Terminal } from "../output/terminal.ts";
import { fetchesInWords } from "./link.ts";

/** Options of {@linkcode Sending}. */
export interface SendingOptions {
  readonly receivers: Receivers;
  /** Complete fetches of each file after which it has been sent. */
  readonly uses: number;
}

// Often enough to look alive.
const REDRAW_MS = 200;
// With `--json`, for each receiver.
const PRINT_MS = 1_000;
// The most running fetches shown.
const LIVE_LINES = 5;
// A receiver that gets nothing for longer is not shown.
const QUIET_MS = 5_000;

/** The fetches of some files. */
export class Sending {
  readonly #terminal: Terminal;
  readonly #options: SendingOptions;
  /** Complete fetches, by name. */
  readonly #fetches = new Map<string, number>();
  readonly #complete = Promise.withResolvers<void>();
  /** Resolves when every file has been fetched often enough. */
  readonly complete: Promise<void> = this.#complete.promise;
  /** The progress of each receiver, and the time of its last event. */
  readonly #seen = new Map<
    string,
    { progress: ReceiverProgress; at: number; printedAt: number }
  >();
  #drawnAt = -Infinity;

  constructor(terminal: Terminal, options: SendingOptions) {
    this.#terminal = terminal;
    this.#options = options;
  }

  /** The files that nobody has fetched. */
  get unfetched(): string[] {
    return [...this.#fetches].flatMap(([name, count]) =>
      count === 0 ? [name] : []
    );
  }

  /** What was fetched so far, in words. */
  get summary(): string {
    const fetches = [...this.#fetches.values()].reduce((sum, n) => sum + n, 0);
    const { unfetched } = this;
    const nobody = unfetched.length === 0
      ? ""
      : `; nobody has fetched ${unfetched.map(show).join(", ")}`;
    return `${fetchesInWords(fetches)} completed${nobody}`;
  }

  /** Adds a file. */
  add(name: string, file: SentFile): void {
    this.#options.receivers.add(name, file);
    this.#fetches.set(name, 0);
  }

  /** Notes that all files have been added, and nobody fetches yet. */
  wait(now: number): void {
    const names = [...this.#fetches.keys()];
    const what = names.length === 1
      ? show(names[0]!)
      : counted(names.length, "file");
    this.#drawnAt = now;
    this.#terminal.status(`waiting until somebody fetches ${what}`);
  }

  /** Notes pieces that were sent. */
  note(sent: PiecesSent, now: number): void {
    const noted = this.#options.receivers.note(sent, now);
    if (noted === undefined) return;
    const { progress, isComplete } = noted;
    if (isComplete) this.#completed(progress);
    else this.#moved(progress, now);
  }

  #moved(progress: ReceiverProgress, now: number): void {
    const { name, to, bytes, total } = progress;
    const key = `${to}\n${name}`;
    const { printedAt = -Infinity } = this.#seen.get(key) ?? {};
    const seen = { progress, at: now, printedAt };
    this.#seen.set(key, seen);
    if (now - seen.printedAt >= PRINT_MS) {
      seen.printedAt = now;
      this.#terminal.event(
        { event: "send_progress", name, to, bytes, total } satisfies CliEvent,
      );
    }
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    for (const [other, { at }] of this.#seen) {
      if (now - at > QUIET_MS) this.#seen.delete(other);
    }
    const running = Array.from(this.#seen.values(), ({ progress }) => ({
      ...progress,
      files: 1,
      size: progress.total,
      bytesPerSecond: rateOf(progress),
    }));
    const { statusColumns: columns, size: { rows } } = this.#terminal;
    const lines = Math.max(1, Math.min(LIVE_LINES, rows - 2));
    this.#terminal.live(formatRunning(running, { columns, lines }));
  }

  #completed(progress: ReceiverProgress): void {
    const { name, to, total: bytes, ms } = progress;
    this.#seen.delete(`${to}\n${name}`);
    const fetches = (this.#fetches.get(name) ?? 0) + 1;
    this.#fetches.set(name, fetches);
    const left = Math.max(0, this.#options.uses - fetches);
    this.#terminal.event(
      {
        ...{ event: "send_completed", name, to, bytes } as const,
        ms: Math.round(ms),
        left,
      } satisfies CliEvent,
    );
    this.#terminal.status("");
    this.#terminal.note(formatFetched(progress, left));
    const isDone = [...this.#fetches.values()].every((count) =>
      count >= this.#options.uses
    );
    if (isDone) this.#complete.resolve();
  }
}

function rateOf({ bytes, ms }: ReceiverProgress): number {
  return ms > 0 ? bytes / (ms / 1_000) : 0;
}
