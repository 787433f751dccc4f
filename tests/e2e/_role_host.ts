/**
 * A process that runs roles one after the other, each in the folder and with the
 * words, variables and input that it is given: starting a process for each takes
 * longer than all that they do. It grants what it is started with.
 *
 * Run as a program, it takes a task a line from standard input and answers each
 * with a line.
 */

import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { Lines, ROOT } from "./_processes.ts";

/** What a role is to do. */
export interface HostTask {
  readonly script: string;
  readonly words: readonly string[];
  /** A folder that it may read; the project's unless given. */
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Stops the role once it has printed a line that matches. */
  readonly until?: string;
}

/** How it ended. */
export interface HostAnswer {
  readonly code: number;
  readonly text: string;
  readonly stderr: readonly string[];
}

/** The process. Disposing ends it. */
export class RoleHost implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #answers: Lines;
  readonly #tasks: WritableStreamDefaultWriter<Uint8Array>;
  #count = 0;

  /** Starts it, with all permissions unless some are given. */
  constructor(permissions: readonly string[] = ["-A"]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", ...permissions],
        join(ROOT, "tests/e2e/_role_host.ts"),
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#answers = new Lines(this.#child.stdout);
    this.#tasks = this.#child.stdin.getWriter();
  }

  /** Runs a role to its end. One at a time. */
  async run(task: HostTask): Promise<HostAnswer> {
    const number = this.#count++;
    const line = JSON.stringify({ ...task, number });
    await this.#tasks.write(new TextEncoder().encode(`${line}\n`));
    const [, answer = ""] = await this.#answers.until(
      new RegExp(`^answer ${number} (.*)$`),
    );
    return JSON.parse(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks.close();
    await within(this.#child.status, "the end of the host");
    await this.#answers.ended;
  }
}

async function serve(): Promise<void> {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const { number, ...task } = JSON.parse(line) as
      & HostTask
      & { number: number };
    const answer = await run(task);
    const reported = `answer ${number} ${JSON.stringify(answer)}\n`;
    Deno.stdout.writeSync(new TextEncoder().encode(reported));
  }
}

async function run(
  { script, words, cwd, until, ...options }: HostTask,
): Promise<HostAnswer> {
  if (cwd !== undefined) Deno.chdir(cwd);
  const { code, text, stderr } = await runRoleHere(script, words, {
    ...options,
    ...(until === undefined ? {} : { until: new RegExp(until, "m") }),
  });
  return { code, text, stderr };
}

if (import.meta.main) {
  await serve();
  Deno.exit(0); // whatever a role has left behind
}
