/**
 * Takes the steps of a document as a stranger would who types them, in a folder
 * of its own: what serves goes on running, until the same is started again.
 *
 * Three things are put in place of what the document shows, in commands and in
 * what they print: ports that the system picks, 127.0.0.1 in place of
 * `nas.local`, and `--host 127.0.0.1` for what serves, so that nothing leaves
 * the machine. The relay then has no word about other machines, and a link has
 * one that it would not have with the name.
 */

import { dirname } from "@std/path/dirname";
import { within } from "../_event_log.ts";
import {
  compare,
  ELISION,
  type Meanings,
  patternOf,
  withMeanings,
} from "./_likeness.ts";
import { Lines } from "./_processes.ts";
import { Pty, QUESTION } from "./_pty.ts";
import type { Block, Step } from "./_readme.ts";

const SERVES = /^deno run .*\b(relay|peer_node)\.ts (?!help|completions)/;
const ENDS = /--show-tokens/;
const DEFINES = /^(?:\w+=\S*|\w+\(\) \{ .* \})$/;
/** What is said when something happens, and not when the process starts. */
const LATER =
  /^(?:sent |withdrawn from |node \S+ (?:registered|left)|tunnel to |Cannot )/;
const STEP_SECONDS = 60;

/** A process beside the steps, off a terminal or at one. */
interface Running extends AsyncDisposable {
  readonly lines: Lines;
  /** Stops it as Ctrl-C does. Resolves to its exit code. */
  interrupt(): Promise<number>;
}

/** Something that runs beside the steps. */
interface Server {
  readonly command: string;
  /** The port that the document gives it. */
  readonly port: string;
  readonly process: Running;
  readonly lines: Lines;
  /** How many of its first lines the document shows; it may leave out others. */
  shownCount?: number;
}

/** Options of {@linkcode Walk}. */
export interface WalkOptions {
  /**
   * Whether everything is typed at a terminal of its own. Nothing may ask there,
   * and each command must end as it should; most print something else than off
   * a terminal, so that this is not compared.
   */
  readonly atTerminal?: boolean;
}

/** A walk in a folder. Disposing kills what still serves. */
export class Walk implements AsyncDisposable {
  readonly #folder: string;
  readonly #atTerminal: boolean;
  readonly #definitions: string[] = [];
  #servers: Server[] = [];
  /** The document's ports, and those in their place. */
  readonly #ports = new Map<string, string>();
  #meanings: Meanings = new Map();

  constructor(folder: string, { atTerminal = false }: WalkOptions = {}) {
    this.#folder = folder;
    this.#atTerminal = atTerminal;
  }

  /** Takes the steps of a block; fails where anything is not as it says. */
  async take({ document, steps, typed, killed }: Block): Promise<void> {
    if (killed !== undefined) await this.#kill(killed);
    for (const step of steps) {
      const { line, command } = step;
      try {
        if (DEFINES.test(command)) {
          this.#definitions.push(command);
        } else if (SERVES.test(command) && !ENDS.test(command)) {
          await this.#serve(step);
        } else {
          await this.#run(step, typed);
        }
      } catch (error) {
        const { message } = error as Error;
        const at = `${document}:${line}: ${command}`;
        throw new Error(`${at}\n${message}`, { cause: error });
      }
    }
  }

  /** Ends what serves, as Ctrl-C does, nodes first. */
  async end(): Promise<void> {
    for (const server of this.#servers.toReversed()) await this.#stop(server);
  }

  /** Runs a command to its end. */
  async #run(step: Step, typed: string | undefined): Promise<void> {
    const script = this.#script(this.#localised(step.command));
    const { code, text } = this.#atTerminal
      ? await this.#typed(script, typed)
      : await this.#piped(step, script, typed);
    const lines = text.replaceAll("\r\n", "\n").split("\n")
      .filter((line) => !line.startsWith(`warning: the link names ${HOST}, `));
    if (lines.at(-1) === "") lines.pop();
    if (step.shown !== undefined) this.#hold(this.#expected(step), lines);
    const isRefused = step.shown?.at(-1)?.startsWith("error: ") ?? false;
    if ((code === 0) === isRefused) {
      throw new Error(`it ended with code ${code}, after\n${text}`);
    }
  }

  /** Runs a script off a terminal, but for one that is typed into. */
  async #piped(
    step: Step,
    script: string,
    typed: string | undefined,
  ): Promise<Ended> {
    const run = typed === undefined
      ? ["sh", "-c", script]
      : ["expect", "-c", typing(script, promptOf(step, typed), typed)];
    const { code, stdout, stderr } = await new Deno.Command("timeout", {
      args: ["--kill-after=2", String(STEP_SECONDS), ...run],
      ...this.#surroundings,
      stdin: "null",
    }).output();
    return { code, text: decode(stdout) + decode(stderr) };
  }

  /** Runs a script at a terminal, where Deno must not ask for anything. */
  async #typed(script: string, typed: string | undefined): Promise<Ended> {
    await using pty = Pty.type(script, this.#surroundings);
    const { promise: asked, reject } = Promise.withResolvers<never>();
    using _watch = pty.lines.watch(() => {
      if (QUESTION.test(pty.text)) reject(new Error(`it asks:\n${pty.text}`));
    });
    if (typed !== undefined) await pty.press(`${typed}\r`);
    const end = within(pty.code, "its end", STEP_SECONDS * 1000);
    const code = await Promise.race([asked, end]);
    return { code, text: pty.text };
  }

  /** Starts a script that serves. */
  #start(script: string): Running {
    return this.#atTerminal
      ? Pty.type(script, this.#surroundings)
      : new Piped(script, this.#surroundings);
  }

  /** Starts what serves, and waits until it has said what is shown. */
  async #serve(step: Step): Promise<void> {
    const words = step.command.split(" ");
    const at = words.findLastIndex((word) => /^\d+$/.test(word));
    const port = words[at]!;
    const isRelay = SERVES.exec(step.command)?.[1] === "relay";
    // After a restart of the relay, its nodes are restarted as well.
    const before = this.#servers.find((server) => server.port === port);
    if (before !== undefined && isRelay) await this.end();
    else if (before !== undefined) await this.#stop(before);
    this.#ports.delete(port);
    words[at] = "0";
    const command = this.#localised(words.join(" "))
      .replace(/(?<=\b(relay|peer_node)\.ts )/, "--host 127.0.0.1 ");
    const process = this.#start(this.#script(`exec ${command}`));
    const { lines } = process;
    const server: Server = { command: step.command, port, process, lines };
    this.#servers.push(server);
    const [, actual = ""] = await lineWith(lines, / listening on .*:(\d+)$/);
    this.#ports.set(port, actual);
    const ready = isRelay ? /^relay address / : /^registered with /;
    await lineWith(lines, ready);
    if (step.shown === undefined) return;
    const expected = this.#expected(step);
    const last = expected.at(-1) ?? ELISION;
    if (last === ELISION) {
      await hearMany(lines, expected.length);
      return this.#hold(expected, lines.all);
    }
    const pattern = patternOf(last);
    await lineWith(lines, pattern);
    const end = Math.max(
      lines.all.findIndex((line) => pattern.test(line)),
      lines.all.findIndex((line) => ready.test(line)),
    );
    server.shownCount = end + 1;
    this.#hold(expected, lines.all.slice(0, end + 1));
  }

  /** What a step must print here. */
  #expected({ shown = [] }: Step): string[] {
    return shown.filter((line) => !line.startsWith("on other machines, "))
      .map((line) => this.#substituted(line).replaceAll("[::]", HOST));
  }

  /** Holds lines to what is expected, and keeps what names stand for. */
  #hold(expected: readonly string[], lines: readonly string[]): void {
    const found = compare(expected, lines, this.#meanings);
    if (found === undefined) {
      if (this.#atTerminal) return;
      throw new Error(
        ["shown:", ...expected, "", "printed:", ...lines, ""].join("\n"),
      );
    }
    this.#meanings = found;
  }

  /** A command as it is run here. */
  #localised(command: string): string {
    return withMeanings(this.#substituted(command), this.#meanings);
  }

  #substituted(text: string): string {
    return text.replaceAll("nas.local", HOST)
      .replaceAll(
        /(?<![\w.])\d{4,5}(?!\w)/g,
        (port) => this.#ports.get(port) ?? port,
      );
  }

  #script(command: string): string {
    // Localised again: what they name may have moved to another port.
    const definitions = this.#definitions.map((line) => this.#localised(line));
    return ["exec 2>&1", ...definitions, command].join("\n");
  }

  get #surroundings() {
    return {
      cwd: this.#folder,
      // The Deno that runs the tests is the one that is found.
      env: { NO_COLOR: "1", PATH: `${DENO_FOLDER}:${Deno.env.get("PATH")}` },
    };
  }

  /** Kills the node of that name, so that it cannot say good-bye. */
  async #kill(name: string): Promise<void> {
    const server = this.#servers.find(({ command }) =>
      command.includes(`--name ${name} `)
    );
    if (server === undefined) throw new Error(`no node ${name} runs`);
    await server.process[Symbol.asyncDispose]();
    this.#servers = this.#servers.filter((other) => other !== server);
  }

  async #stop(server: Server): Promise<void> {
    const code = await server.process.interrupt();
    await server.process[Symbol.asyncDispose]();
    this.#servers = this.#servers.filter((other) => other !== server);
    const said = server.lines.all;
    const next = said[server.shownCount ?? said.length];
    const isReported = this.#atTerminal || next === undefined ||
      LATER.test(next);
    const asks = said.some((line) => QUESTION.test(line));
    if (code === 0 && isReported && !asks) return;
    throw new Error(
      [
        `${server.command}\nended with code ${code}, after`,
        ...said,
        isReported ? "" : `of which the document does not show: ${next}`,
      ].join("\n"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#servers) {
      await process[Symbol.asyncDispose]();
    }
  }
}

/** What a command did. */
interface Ended {
  readonly code: number;
  readonly text: string;
}

/** A script off a terminal. Disposing kills it, so that it says no good-bye. */
class Piped implements Running {
  readonly lines: Lines;
  readonly #child: Deno.ChildProcess;

  constructor(script: string, options: Deno.CommandOptions) {
    this.#child = new Deno.Command("sh", {
      args: ["-c", script],
      ...options,
      stdin: "null",
      stdout: "piped",
      stderr: "null", // it goes where the other goes
    }).spawn();
    this.lines = new Lines(this.#child.stdout);
  }

  async interrupt(): Promise<number> {
    this.#child.kill("SIGINT");
    const { code } = await within(this.#child.status, "the end of a process");
    await this.lines.ended;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // ended by itself
    }
    await this.#child.status;
    await this.lines.ended;
  }
}

const HOST = "127.0.0.1";
const DENO_FOLDER = dirname(Deno.execPath());

/** A line that must come; what came in its place is reported. */
async function lineWith(
  lines: Lines,
  pattern: RegExp,
): Promise<RegExpExecArray> {
  try {
    return await lines.until(pattern);
  } catch (cause) {
    const said = lines.all.join("\n");
    throw new Error(`no line matches ${pattern}:\n${said}`, { cause });
  }
}

/** Waits for so many lines. */
async function hearMany(lines: Lines, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _watch = lines.watch(() => {
    if (lines.all.length >= count) resolve();
  });
  await within(promise, `${count} lines`);
}

/** What stands before the words that are typed. */
function promptOf({ shown = [] }: Step, typed: string): string {
  const line = shown.find((line) => line.endsWith(`: ${typed}`));
  if (line === undefined) throw new Error(`no line ends with ${typed}`);
  return line.slice(0, -typed.length);
}

/** A script for `expect`: a terminal with a command, and somebody who types. */
function typing(script: string, prompt: string, typed: string): string {
  return `
    set timeout ${STEP_SECONDS}
    set stty_init "columns 200"
    spawn -noecho sh -c {${script}}
    expect -ex "${prompt}" {} timeout { exit 99 } eof { exit 98 }
    send "${typed}\\r"
    expect eof
    lassign [wait] wpid id os code
    exit $code
  `;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
