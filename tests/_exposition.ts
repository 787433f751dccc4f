/**
 * A strict reader of the Prometheus text format 0.0.4: what it takes, every
 * scraper takes. It throws at the first line that breaks a rule.
 */

/** Metrics of one name, as they were read. */
export interface ReadFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: ReadSample[];
}

/** One line of a family. */
export interface ReadSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];

/** All families of a text, by name. */
export function readExposition(text: string): Map<string, ReadFamily> {
  if (!text.endsWith("\n")) throw new Error("the last line is not ended");
  if (text.includes("\r")) throw new Error("a carriage return");
  const families = new Map<string, ReadFamily>();
  const series = new Set<string>();
  let help: { name: string; text: string } | null = null;
  let family: ReadFamily | null = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line.startsWith("# HELP ")) {
      const [, name = "", words = ""] = /^# HELP (\S+) (.*)$/.exec(line) ??
        fail("HELP without words");
      if (help !== null) fail("HELP after HELP");
      if (!NAME.test(name)) fail("not a name");
      if (families.has(name)) fail("a family twice");
      help = { name, text: unescape(words, /\\[\\n]/g, fail) };
      family = null;
    } else if (line.startsWith("# TYPE ")) {
      const [, name = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(line) ??
        fail("TYPE without a type");
      if (help?.name !== name) return fail("TYPE without its HELP above it");
      if (!TYPES.includes(type)) fail("not a type");
      if ((type === "counter") !== name.endsWith("_total")) {
        fail("counters, and only they, end in _total");
      }
      family = { name, help: help.text, type, samples: [] };
      families.set(name, family);
      help = null;
    } else {
      if (family === null) return fail("a sample without HELP and TYPE");
      const sample = readSample(line, fail);
      if (!sampleNames(family).includes(sample.name)) {
        fail(`a sample of another family than ${family.name}`);
      }
      const key = sample.name + JSON.stringify([...sample.labels].sort());
      if (series.has(key)) fail("a series twice");
      series.add(key);
      if (family.type === "counter" && !(sample.value >= 0)) {
        fail("a counter below 0");
      }
      family.samples.push(sample);
    }
  }
  if (help !== null) throw new Error("HELP at the end");
  for (const { name, type, samples } of families.values()) {
    if (type === "histogram") checkHistogram(name, samples);
  }
  return families;
}

/** The value of the one series of that name and those labels. */
export function valueOf(
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = JSON.stringify(Object.entries(labels).sort());
  const samples = [...families.values()].flatMap((family) => family.samples);
  const found = samples.find((sample) =>
    sample.name === name && JSON.stringify([...sample.labels].sort()) === wanted
  );
  if (found === undefined) throw new Error(`no series ${name} ${wanted}`);
  return found.value;
}

function sampleNames({ name, type }: ReadFamily): string[] {
  return type === "histogram"
    ? [`${name}_bucket`, `${name}_sum`, `${name}_count`]
    : [name];
}

type Fail = (why: string) => never;

const NUMBER = /^([+-]?Inf|NaN|[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)$/;

function readSample(line: string, fail: Fail): ReadSample {
  const match =
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)$/
      .exec(line) ?? fail("not a sample");
  const [, name = "", braces, number = ""] = match;
  if (!NUMBER.test(number)) fail("not a number");
  const labels = new Map<string, string>();
  let rest = braces ?? "";
  if (braces === "") fail("braces without labels");
  while (rest !== "") {
    const [whole, label = "", raw = ""] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,(?=.)|$)/.exec(rest) ??
        fail("not a label");
    if (label.startsWith("__")) fail("a reserved label");
    if (labels.has(label)) fail("a label twice");
    labels.set(label, unescape(raw, /\\[\\n"]/g, fail));
    rest = rest.slice(whole.length);
  }
  const value = Number(number.replace("Inf", "Infinity"));
  return { name, labels, value };
}

function unescape(text: string, escapes: RegExp, fail: Fail): string {
  if (text.replaceAll(escapes, "").includes("\\")) fail("an unknown escape");
  return text.replaceAll(
    escapes,
    (escape) => escape === "\\n" ? "\n" : escape[1]!,
  );
}

function checkHistogram(name: string, samples: readonly ReadSample[]): void {
  const fail = (why: string): never => {
    throw new Error(`${name}: ${why}`);
  };
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const others = samples.filter((sample) => sample.name !== `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => labels.get("le") ?? fail("no le"));
  if (bounds.at(-1) !== "+Inf") fail("the last bucket is not +Inf");
  const numbers = bounds.map((bound) => Number(bound.replace("+Inf", "1e999")));
  if (numbers.some(Number.isNaN)) fail("a bound that is no number");
  if (numbers.some((bound, index) => bound <= (numbers[index - 1] ?? -1e999))) {
    fail("bounds do not rise");
  }
  const counts = buckets.map(({ value }) => value);
  if (counts.some((count, index) => count < (counts[index - 1] ?? 0))) {
    fail("buckets are not cumulative");
  }
  const names = others.map((sample) => sample.name);
  if (names.join() !== `${name}_sum,${name}_count`) fail("no sum and count");
  if (others[1]!.value !== counts.at(-1)) fail("count is not that of +Inf");
}
