/**
 * `deno task record`: types the first minute in real terminals on two machines
 * with empty homes, and writes docs/first-minute.svg and docs/FIRST_MINUTE.md.
 * For root on Linux, with tmux; installing needs the internet.
 */

import { join } from "@std/path";
import { copyProject } from "../e2e/_project.ts";
import { ROOT } from "../e2e/_processes.ts";
import type { Tmux } from "../e2e/_terminal.ts";
import { type Machine, openMachines, PROMPT, SIZE } from "./_machines.ts";
import { draw, plain } from "./picture.ts";
import { formatRecording, type Step } from "./recording.ts";

/** So large that the progress can be seen. */
const MOVIE_BYTES = 700_000_000;
/** The fetch is interrupted after it has reached this part. */
const INTERRUPTED_AT = 30;

/** A terminal, with what was typed in it. */
class Recorded implements AsyncDisposable {
  readonly #steps: Step[];
  readonly #name: string;
  readonly #terminal: Tmux;

  constructor(terminal: Tmux, name: string, steps: Step[]) {
    this.#terminal = terminal;
    this.#name = name;
    this.#steps = steps;
  }

  static async open(
    machine: Machine,
    { name = machine.name, isOnline = false, steps }: {
      name?: string;
      isOnline?: boolean;
      steps: Step[];
    },
  ): Promise<Recorded> {
    const terminal = await machine.terminal({ isOnline });
    return new Recorded(terminal, name, steps);
  }

  /** Types a line, and waits until `isDone` says so of the rows. */
  async line(
    typed: string,
    what: string,
    isDone: (rows: readonly string[]) => boolean = isReady,
  ): Promise<void> {
    await this.#step(
      { typed, what, keys: typed.length + 1, isDone },
      async () => {
        await this.#terminal.type(typed);
        await this.#terminal.press("Enter");
      },
    );
  }

  /** Presses Ctrl-C. */
  async interrupt(what: string): Promise<void> {
    await this.#step(
      { typed: "Ctrl-C", what, keys: 1, isDone: isReady },
      () => this.#terminal.press("C-c"),
    );
  }

  async #step(
    { typed, what, keys, isDone }: {
      typed: string;
      what: string;
      keys: number;
      isDone: (rows: readonly string[]) => boolean;
    },
    press: () => Promise<void>,
  ): Promise<void> {
    const before = (await this.rows()).length;
    await press();
    const startedAt = performance.now();
    await this.#terminal.until((rows) => isDone(reported(rows)));
    const seconds = (performance.now() - startedAt) / 1_000;
    const rows = (await this.rows()).map(plain).slice(Math.max(0, before - 1));
    if (rows.at(-1) === PROMPT) rows.pop();
    const terminal = this.#name;
    this.#steps.push({ terminal, what, typed, keys, seconds, rows });
  }

  /** All rows up to the last one with text, coloured. */
  async rows(): Promise<string[]> {
    return reported(await this.#terminal.coloured());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#terminal[Symbol.asyncDispose]();
  }
}

/** The rows up to the last one with text. */
function reported(rows: readonly string[]): string[] {
  const last = rows.findLastIndex((row) => plain(row) !== "");
  return rows.slice(0, last + 1);
}

/** Whether the shell waits for a command, and has run one. */
function isReady(rows: readonly string[]): boolean {
  return rows.length > 1 && rows.at(-1) === PROMPT &&
    rows.at(-2)?.startsWith(`${PROMPT} `) === false;
}

function has(pattern: RegExp): (rows: readonly string[]) => boolean {
  return (rows) => pattern.test(rows.at(-1) ?? "");
}

async function fillHome({ home }: Machine): Promise<void> {
  await copyProject(join(home, "relay-p2p"));
  await Deno.mkdir(join(home, "Videos/2026"), { recursive: true });
}

async function fillVideos({ home }: Machine): Promise<void> {
  const folder = join(home, "Videos/2026");
  using movie = await Deno.create(join(folder, "holiday.mov"));
  const block = new Uint8Array(1 << 16);
  for (let left = MOVIE_BYTES; left > 0; left -= block.length) {
    crypto.getRandomValues(block);
    await movie.write(block.subarray(0, Math.min(left, block.length)));
  }
  await Deno.writeFile(join(folder, "holiday.srt"), block.subarray(0, 20_831));
  await Deno.writeFile(join(folder, "garden.mov"), block.subarray(0, 61_204));
}

/** Types everything; the rows of the terminals that the picture shows. */
async function record(folder: string, steps: Step[]): Promise<Pictured> {
  await using machines = await openMachines(folder);
  const { nas, laptop } = machines;
  for (const machine of [nas, laptop]) {
    await fillHome(machine);
    await using online = await Recorded.open(machine, {
      isOnline: true,
      steps,
    });
    await online.line(
      "cd relay-p2p && npx -y deno@2.9.6 task install && cd",
      `Install on the ${machine.name}`,
    );
  }
  await fillVideos(nas);
  await using relay = await Recorded.open(nas, { steps });
  await relay.line("p2p relay", "Start a relay", has(/^announced /));
  await using node = await Recorded.open(nas, {
    name: "nas, second terminal",
    steps,
  });
  await choose(node, "nas");
  await node.line("p2p share Videos", "Share a folder", has(/^registered /));
  const pictured = { relay: await relay.rows(), node: await node.rows() };
  await using client = await Recorded.open(laptop, { steps });
  await choose(client, "laptop");
  await client.line("p2p search holiday", "Search for a file");
  await client.line(
    "p2p get holiday.mov",
    "Get it",
    (rows) => partIn(rows.at(-1)) >= INTERRUPTED_AT,
  );
  await client.interrupt("Interrupt");
  await client.line("p2p get holiday.mov", "Get the rest");
  const rows = await client.rows();
  return { ...pictured, client: rows.slice(0, -1) };
}

async function choose(terminal: Recorded, name: string): Promise<void> {
  const question = has(/^which one\?/);
  await terminal.line("p2p use", `Look for relays, on the ${name}`, question);
  await terminal.line("1", "Choose one");
}

interface Pictured {
  readonly relay: string[];
  readonly node: string[];
  readonly client: string[];
}

function partIn(row = ""): number {
  return Number(/(\d+) %/.exec(row)?.[1] ?? 0);
}

const steps: Step[] = [];
const folder = await Deno.realPath(await Deno.makeTempDir());
try {
  const pictured = await record(folder, steps);
  const svg = draw([
    { title: "nas", rows: pictured.relay },
    { title: "nas, a second terminal", rows: pictured.node },
    { title: "laptop", rows: pictured.client },
  ], {
    columns: SIZE.columns,
    description: {
      title: "The first minute of relay-p2p in three terminals",
      text:
        "The nas runs p2p relay and p2p share Videos. The laptop finds the " +
        "relay with p2p use, finds a file with p2p search, interrupts p2p get, " +
        "and fetches the rest with the same command.",
    },
  });
  await Deno.writeTextFile(join(ROOT, "docs/first-minute.svg"), svg);
  const date = new Date().toISOString().slice(0, 10);
  const { hardwareConcurrency: cores } = navigator;
  const load = Deno.loadavg()[0]!.toFixed(1);
  const machine = `Linux with ${cores} cores at a load of ${load}`;
  const document = formatRecording(steps, { date, machine });
  await Deno.writeTextFile(join(ROOT, "docs/FIRST_MINUTE.md"), document);
} finally {
  await Deno.remove(folder, { recursive: true });
}
