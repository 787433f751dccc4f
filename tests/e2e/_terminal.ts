/**
 * Terminals that tests type into: `expect` for every byte that is written,
 * `tmux` for what a person sees. The client is started without `--no-prompt`, so
 * that a question of Deno's would be seen.
 */

import { assert, assertEquals } from "@std/assert";
import { within } from "../_event_log.ts";
import { commandLine, ROOT } from "./_processes.ts";

/** Options of {@linkcode onTerminal} and {@linkcode Tmux.open}. */
export interface TerminalOptions {
  permissions?: readonly string[];
  cwd?: string;
  /** Variables of the client's environment. */
  env?: Readonly<Record<string, string>>;
  /** In the words of `stty`. */
  size?: string;
  /** A module in place of `peer_client.ts`. */
  script?: string;
}

/** What became of a client on a terminal. */
export interface Session {
  /** What stood on the terminal, its own line ends made plain. */
  readonly screen: string;
  readonly code: number;
  /** The terminal's settings before and after, as printed by `stty -g`. */
  readonly settings: readonly [before: string, after: string];
}

/** The words of a client's command line for a shell. */
function clientLine(
  args: readonly string[],
  { script = "peer_client.ts", ...options }: TerminalOptions,
): string {
  return commandLine(script, args, options)
    .filter((word) => word !== "--no-prompt")
    .map((word) => `'${word}'`).join(" ");
}

/** How long what is awaited may take: it is there to fail, not to pace. */
const AWAITED_SECONDS = 60;
/** The same for all that a session awaits. */
const SESSION_MS = 150_000;

const BEFORE = "settings before ";
const AFTER = "settings after ";

/**
 * Runs the client under a pseudo-terminal. `steps` is in the language of
 * expect, with `await` for what must appear, `answer` for a terminal that
 * understands escape sequences and says so, and `$pid` for the client. Its own
 * word `expect` is refused: it goes on where nothing appears.
 */
export async function onTerminal(
  args: readonly string[],
  steps: string,
  options: TerminalOptions = {},
): Promise<Session> {
  assert(!/\bexpect\b/.test(steps), "steps wait with await");
  const line = `
    trap : INT TERM QUIT HUP
    echo "${BEFORE}$(stty -g)"
    sh -c 'echo "pid $$"; exec "$@"' sh ${clientLine(args, options)}
    code=$?
    echo "${AFTER}$(stty -g)"
    exit $code
  `;
  const script = `
    set timeout ${AWAITED_SECONDS}
    set stty_init "${options.size ?? "columns 200"}"
    proc await {words} {
      expect -ex $words {} timeout { exit 99 } eof { exit 98 }
    }
    proc answer {} {
      await "\\033\\[c"
      send "\\033\\[?6c"
    }
    spawn -noecho sh -c {${line}}
    expect -re {pid (\\d+)\\r\\n} { set pid $expect_out(1,string) }
    ${steps}
    expect eof {} timeout { exit 97 }
    lassign [wait] wpid id os code
    exit $code
  `;
  const child = new Deno.Command("expect", {
    args: ["-c", script],
    cwd: options.cwd ?? ROOT,
    env: { NO_COLOR: "1", TERM: "xterm", ...options.env },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = child.output();
  const output = await within(ended, "the session", SESSION_MS)
    .catch(async (error) => {
      child.kill("SIGKILL"); // or the next test would meet what is left of it
      await ended;
      throw error;
    });
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(decode(output.stderr), "");
  const all = decode(output.stdout).replaceAll("\r\n", "\n");
  const [, before = "", screen = all, after = ""] = SESSION.exec(all) ?? [];
  return { screen, code: output.code, settings: [before, after] };
}

const SESSION = new RegExp(
  `^${BEFORE}(\\S+)\npid \\d+\n([^]*)${AFTER}(\\S+)\n$`,
);

/** A client on a terminal that `tmux` draws. Disposing ends both. */
export class Tmux implements AsyncDisposable {
  readonly #server = `relay-p2p-${crypto.randomUUID()}`;

  /** Starts a client on a terminal of so many columns and rows. */
  static async open(
    args: readonly string[],
    options: TerminalOptions & { columns: number; rows: number },
  ): Promise<Tmux> {
    const terminal = new Tmux();
    const line = `
      trap : INT TERM QUIT HUP
      before=$(stty -g)
      ${clientLine(args, options)}
      code=$?
      test "$before" = "$(stty -g)" && echo "left with $code, terminal as before"
      read forever
    `;
    await terminal.#start(line, options);
    return terminal;
  }

  /** The same from a shell that stops and continues its jobs. */
  static async openInShell(
    args: readonly string[],
    options: TerminalOptions & { columns: number; rows: number },
  ): Promise<Tmux> {
    const terminal = new Tmux();
    await terminal.#start("PS1='$ ' exec bash --norc -i", options);
    await terminal.shows("$");
    await terminal.type(clientLine(args, options));
    await terminal.press("Enter");
    return terminal;
  }

  /** Starts a line of `sh`. */
  static async openLine(
    line: string,
    options: TerminalOptions & { columns: number; rows: number },
  ): Promise<Tmux> {
    const terminal = new Tmux();
    await terminal.#start(line, options);
    return terminal;
  }

  async #start(
    line: string,
    { columns, rows, cwd = ROOT, env }: TerminalOptions & {
      columns: number;
      rows: number;
    },
  ): Promise<void> {
    await this.#run([
      ...["-u", "-f", "/dev/null", "new-session", "-d"],
      ...["-x", String(columns), "-y", String(rows), "-c", cwd, line],
    ], env);
  }

  /** Presses keys, by the names that tmux has for them. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#run(["send-keys", ...keys]);
  }

  /** Types text, as it is. */
  async type(text: string): Promise<void> {
    await this.#run(["send-keys", "-l", text]);
  }

  /** Pastes text, as terminals do if a program asks for marks. */
  async paste(text: string): Promise<void> {
    await this.#run(["set-buffer", text]);
    await this.#run(["paste-buffer", "-p"]);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#run([
      ...["resize-window", "-x", String(columns), "-y", String(rows)],
    ]);
  }

  /** The rows on the screen, without the spaces at their ends. */
  async screen(): Promise<string[]> {
    const text = await this.#run(["capture-pane", "-p"]);
    return text.split("\n").map((row) => row.trimEnd());
  }

  /** All rows since the start, with their colours as escape sequences. */
  async coloured(): Promise<string[]> {
    const text = await this.#run(["capture-pane", "-p", "-e", "-S", "-"]);
    return text.split("\n");
  }

  /** The screen, once it is as `isWanted` says. */
  async until(isWanted: (rows: string[]) => boolean): Promise<string[]> {
    let rows: string[] = [];
    const looking = { goesOn: true };
    const look = async () => {
      do rows = await this.screen(); while (
        looking.goesOn && !isWanted(rows)
      );
    };
    const looked = look();
    try {
      await within(looked, "what was to be seen", AWAITED_SECONDS * 1000);
    } catch (error) {
      throw new Error(`the screen is\n${rows.join("\n")}`, { cause: error });
    } finally {
      looking.goesOn = false;
      await looked;
    }
    return rows;
  }

  /** The screen, once one of its rows holds `words`. */
  async shows(words: string): Promise<string[]> {
    return await this.until((rows) => rows.some((row) => row.includes(words)));
  }

  /** The screen, once just these rows stand on it, from the one at `first` on. */
  async showsRows(first: number, rows: readonly string[]): Promise<string[]> {
    return await this.until((all) =>
      rows.every((row, at) => all[first + at] === row)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run(["kill-server"]);
  }

  async #run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { TMUX: _, ...rest } = Deno.env.toObject();
    const output = await new Deno.Command("tmux", {
      args: ["-L", this.#server, ...args],
      env: { ...rest, NO_COLOR: "1", ...env },
      clearEnv: true,
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals(decode(output.stderr), "");
    return decode(output.stdout);
  }
}
