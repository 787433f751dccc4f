/**
 * The picture and the recording of the first minute: text that is safe and
 * small, and held to what the programs print today.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { ROOT } from "../e2e/_processes.ts";
import { Tmux } from "../e2e/_terminal.ts";
import { p2pHome } from "../packaging/_p2p.ts";
import { testWith } from "../_tools.ts";
import { SIZE } from "../record/_machines.ts";
import { draw, plain, spansOf } from "../record/picture.ts";
import { formatRecording } from "../record/recording.ts";

const SVG = Deno.readTextFileSync(join(ROOT, "docs/first-minute.svg"));
const RECORDING = Deno.readTextFileSync(join(ROOT, "docs/FIRST_MINUTE.md"));
const README = Deno.readTextFileSync(join(ROOT, "README.md"));
const DESCRIPTION = { title: "A <title>", text: "What is seen" };

Deno.test("spansOf gives each part its colour, and no whitespace at the end", () => {
  assertEquals(spansOf("a \x1b[33monly\x1b[39m b\x1b[1m  "), [
    { text: "a ", style: "" },
    { text: "only", style: "yellow" },
    { text: " b", style: "" },
  ]);
  assertEquals(plain("a \x1b[33monly\x1b[0m  "), "a only");
});

Deno.test("draw escapes text, so that none of it becomes markup", () => {
  const svg = draw([{ title: "nas", rows: ["$ p2p get '<b>&'", "", "写真"] }], {
    columns: 40,
    description: DESCRIPTION,
  });
  assertMatch(svg, /<title id="title">A &lt;title&gt;<\/title>/);
  assertMatch(svg, />p2p get '&lt;b&gt;&amp;'<\/tspan>/);
  // Two wide characters take four columns.
  assertMatch(svg, /textLength="31\.2" [^>]*>写真</);
});

Deno.test("formatRecording adds up keys and seconds", () => {
  const step = {
    terminal: "nas",
    what: "Start",
    typed: "p2p",
    rows: ["$ p2p"],
  };
  const text = formatRecording([
    { ...step, keys: 4, seconds: 1.25 },
    { ...step, keys: 1, seconds: 2 },
  ], { date: "2026-01-02", machine: "a machine" });
  assertMatch(text, /- 5 keys, 3\.3 seconds of waiting in 2 steps/);
  assertMatch(text, /\| 1 \| nas \| `p2p` \| 4 \| 1\.3 \|/);
});

/** The rows of a picture, as text. */
function rowsOf(svg: string): string[] {
  return [...svg.matchAll(/<text x=[^>]*>(.*)<\/text>/g)].map(([, row = ""]) =>
    row.replaceAll(/<[^>]*>/g, "").replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">").replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&")
  );
}

Deno.test("The picture of the first minute is small, has a description, and has both colour schemes", () => {
  assert(SVG.length < 60_000, `${SVG.length} bytes`);
  assertMatch(SVG, /<title id="title">.{20,}<\/title>/);
  assertMatch(SVG, /<desc id="description">.{40,}<\/desc>/);
  assertMatch(SVG, /prefers-color-scheme: dark/);
  assertMatch(README, /!\[[^\]]{20,}\]\(docs\/first-minute\.svg\)/);
  for (const text of [SVG, RECORDING]) {
    assertEquals(/\/(tmp|root|work|Users|var)\//.exec(text), null);
  }
  assertEquals(rowsOf(SVG).length > 20, true);
});

/** What is typed in the picture, and with which additions here. */
const TYPED: Readonly<Record<string, string>> = {
  "p2p relay": "p2p relay --host 127.0.0.1 --name nas --announce-port 0 0",
  "p2p use": "p2p use --announce-port PORT",
  "p2p share Videos":
    "p2p share Videos --name nas --host 127.0.0.1 --limit-rate 1M",
  "p2p search holiday": "p2p search holiday",
  "p2p get holiday.mov": "p2p get holiday.mov",
};

/** A line without what differs from run to run. */
function form(line: string): string {
  return line.trim()
    .replace(/ *\^C?$/, "")
    .replaceAll(/\b[a-z2-7]{52}\b/g, "ID")
    .replaceAll(/\b\d+\.\d+\.\d+\.\d+\b/g, "IP")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, "TIME")
    .replaceAll(/\[[=> ]+\]/g, "BAR")
    .replaceAll(/\d+:\d\d left/g, "LEFT")
    .replaceAll(/\d+(\.\d+)? ([KMGT]B|bytes)\b/g, "SIZE")
    .replaceAll(/\d+(\.\d+)?/g, "N")
    .replaceAll(/N of SIZE/g, "SIZE of SIZE")
    // A busy machine may know no rate yet.
    .replaceAll(/SIZE\/s|waiting/g, "RATE")
    .replace(/ LEFT\b/, "")
    .replaceAll(/ +/g, " ");
}

/** A terminal that keeps what was on it. */
class Shell implements AsyncDisposable {
  readonly #terminal: Tmux;
  readonly #seen: Set<string>;

  constructor(terminal: Tmux, seen: Set<string>) {
    this.#terminal = terminal;
    this.#seen = seen;
  }

  /** Types a line; the row that matches `done` below it. */
  async types(line: string, done: RegExp): Promise<string> {
    const typed = TYPED[line] ?? line;
    await this.#terminal.press("C-l");
    await this.#terminal.until((rows) => rows[0] === "$");
    return await this.answers(typed, done);
  }

  /** Types an answer; the row that matches `done` after it. */
  async answers(typed: string, done: RegExp): Promise<string> {
    await this.#terminal.type(typed);
    await this.#terminal.press("Enter");
    return await this.sees(done);
  }

  /** Ends what runs, so that it writes nothing more. */
  async ends(): Promise<void> {
    await this.#terminal.press("C-c");
    await this.sees(/^(\^C)?\$$/);
  }

  async sees(done: RegExp): Promise<string> {
    let found = "";
    const rows = await this.#terminal.until((rows) => {
      found = rows.find((row) => done.test(row)) ?? "";
      return found !== "";
    });
    for (const row of rows) this.#seen.add(form(row));
    return found;
  }

  press(key: string): Promise<void> {
    return this.#terminal.press(key);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#terminal[Symbol.asyncDispose]();
  }
}

testWith(
  ["tmux"],
  "The picture of the first minute shows what the programs print today",
  async () => {
    await using home = await p2pHome();
    const folder = join(home.home, "Videos/2026");
    await Deno.mkdir(folder, { recursive: true });
    const movie = crypto.getRandomValues(new Uint8Array(1 << 16));
    const parts = Array.from({ length: 128 }, () => movie);
    await Deno.writeFile(
      join(folder, "holiday.mov"),
      ReadableStream.from(parts),
    );
    await Deno.writeFile(join(folder, "holiday.srt"), movie.subarray(0, 4e3));
    const seen = new Set<string>();
    const open = async () => {
      const env = { ...home.env, TZ: "UTC" };
      const line = "PS1='$ ' HISTFILE= exec bash --norc --noprofile -i";
      const terminal = await Tmux.openLine(line, {
        ...SIZE,
        cwd: home.home,
        env,
      });
      await terminal.shows("$");
      return new Shell(terminal, seen);
    };
    await using relay = await open();
    await using node = await open();
    await using client = await open();
    const announced = await relay.types("p2p relay", /^announced .* port \d+$/);
    const port = /\d+$/.exec(announced)![0];
    await client.types(
      TYPED["p2p use"]!.replace("PORT", port),
      /^which one\?/,
    );
    await client.answers("1", /^relay p2p:/);
    await node.types("p2p share Videos", /^registered /);
    await client.types("p2p search holiday", /^2 files/);
    await client.types("p2p get holiday.mov", /[3-9]\d %/);
    await client.press("C-c");
    await client.sees(/^error: Stopped/);
    await client.types("p2p get holiday.mov", /^1 file, /);
    await client.sees(/^\$$/);
    await relay.sees(/^announced/);
    await node.ends();
    await relay.ends();
    // Its last lines are printed where a relay listens on all addresses.
    for (const row of README.split("\n")) seen.add(form(row));
    const rows = rowsOf(SVG);
    const commands = rows.filter((row) => row.startsWith("$ "))
      .map((row) => row.slice(2));
    assertEquals(new Set(commands), new Set(Object.keys(TYPED)));
    const shown = rows.filter((row) => !row.startsWith("$ "));
    const unseen = shown.map(form).filter((row) => !seen.has(row));
    assertEquals(unseen, [], [...seen].join("\n"));
  },
);
