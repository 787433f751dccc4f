/**
 * Shell commands typed at a terminal: standard input, output and errors of each
 * are one pseudo-terminal of `script`, where Deno would ask for a permission
 * that is missing.
 */

import { within } from "../_event_log.ts";
import { Lines } from "./_processes.ts";

/** What only a question of Deno's for a permission has in it. */
export const QUESTION = /Deno requests |┏ ⚠️|\[y\/n\/A\]/;

/** Options of {@linkcode Pty.type}. */
export interface PtyOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** A command at a terminal of its own. Disposing hangs it up. */
export class Pty implements AsyncDisposable {
  /** What has appeared on the terminal. */
  readonly lines: Lines;
  /** Its exit code, once it has ended. */
  readonly code: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  #isRunning = true;
  #all = "";
  readonly #watchers = new Set<() => void>();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    const decoder = new TextDecoder();
    const plain = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({
      transform: (bytes, output) => {
        output.enqueue(withoutReturns(bytes));
        this.#all += decoder.decode(bytes, { stream: true });
        for (const watch of [...this.#watchers]) watch();
      },
    });
    this.lines = new Lines(child.stdout.pipeThrough(plain));
    this.#keyboard = child.stdin.getWriter();
    this.code = Promise.all([child.status, this.lines.ended]).then(
      ([{ code }]) => {
        this.#isRunning = false;
        return code;
      },
    );
  }

  /** Types a command. */
  static type(command: string, { cwd, env = {} }: PtyOptions = {}): Pty {
    return new Pty(
      new Deno.Command("script", {
        args: ["--quiet", "--return", "--flush", "-c", command, "/dev/null"],
        ...(cwd === undefined ? {} : { cwd }),
        env: { NO_COLOR: "1", SHELL: "/bin/sh", TERM: "xterm", ...env },
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn(),
    );
  }

  /** All that has appeared. */
  get text(): string {
    return this.lines.all.join("\n");
  }

  /**
   * Waits until `pattern` has appeared, also in a line that is not finished,
   * such as a status. Ends with the command.
   */
  async untilShown(pattern: RegExp, deadlineMs?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = () => {
      if (pattern.test(this.#all)) resolve();
    };
    this.#watchers.add(watch);
    watch();
    try {
      const shown = Promise.race([promise, this.code]);
      await within(shown, String(pattern), deadlineMs);
    } finally {
      this.#watchers.delete(watch);
    }
  }

  /** Presses keys. */
  async press(keys: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(keys));
  }

  /** Presses Ctrl-C, and waits for the end. */
  async interrupt(): Promise<number> {
    await this.press("\x03");
    return await within(this.code, "the end of what was interrupted");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isRunning) {
      try {
        this.#child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // ended just now
      }
    }
    await this.code;
    await this.#keyboard.close().catch(() => {}); // gone with the terminal
  }
}

const RETURN = 0x0d;

function withoutReturns(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.filter((byte) => byte !== RETURN));
}
