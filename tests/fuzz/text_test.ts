import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { globPrefix, parseGlob } from "../../lib/content/glob.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { PARTIAL_SUFFIX, safeName } from "../../lib/base/names.ts";
import { parseRate, RateLimit } from "../../lib/base/rate.ts";
import { show, TextCheck } from "../../lib/base/text.ts";
import { parseSelection } from "../../lib/cli/options/selection.ts";
import { anyText, holds, isShowable, parsed } from "./_runs.ts";

const encoder = new TextEncoder();

/** What a name may be made of anywhere. */
const plainPart = fc.string({
  unit: fc.constantFrom(..."abcXYZ019-_ .éß日本語()'+,"),
  minLength: 1,
  maxLength: 20,
}).map((text) => `n${text}n`);
const plainName = fc.array(plainPart, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/"));

/** Names with something dangerous in the middle. */
const dodgyName = fc.oneof(
  anyText,
  fc.tuple(plainName, anyText, plainName).map((parts) => parts.join("")),
  fc.tuple(plainName, anyText, plainName).map((parts) => parts.join("/")),
  fc.array(
    fc.oneof(plainPart, fc.constantFrom("..", ".", "", " ", "CON.txt", "a:")),
    { maxLength: 40 },
  ).map((parts) => parts.join("/")),
  fc.integer({ min: 240, max: 270 }).map((length) => "x".repeat(length)),
);

holds(
  "safeName lets nothing through that leaves the folder, acts, or hides",
  [dodgyName],
  (remote) => {
    const verdict = safeName(remote);
    if (verdict.kind === "refused") {
      assert(isShowable(verdict.rule) && verdict.rule.length < 100);
      return;
    }
    const { name } = verdict;
    assertEquals(join("/share", name), `/share/${name}`);
    assertEquals(name, remote.normalize("NFC"));
    assertEquals(name, new TextDecoder().decode(encoder.encode(name)));
    assert(encoder.encode(name).length <= LIMITS.nameBytes);
    assert(!/[\p{Cc}\p{Cs}\p{Co}\u202a-\u202e\u2066-\u2069\\:]/u.test(name));
    const parts = name.split("/");
    assert(parts.length <= LIMITS.nameDepthCount);
    for (const part of parts) {
      assert(encoder.encode(part).length <= LIMITS.nameComponentBytes);
      assert(!/^\.{0,2}$|^ |[ .]$/.test(part), JSON.stringify(part));
      assert(!part.endsWith(PARTIAL_SUFFIX));
    }
    assertEquals(safeName(name), verdict, "what is safe stays so");
  },
);

holds(
  "safeName takes plain names, however they are written",
  [plainName],
  (name) => {
    const verdict = { kind: "safe", name: name.normalize("NFC") } as const;
    assertEquals(safeName(name), verdict);
    assertEquals(safeName(name.normalize("NFD")), verdict);
  },
);

holds(
  "show gives what is safe on a terminal, and does not change plain text",
  [fc.oneof(anyText, fc.tuple(anyText, anyText).map(([a, b]) => a + b))],
  (text) => {
    const shown = show(text);
    assert(isShowable(shown), JSON.stringify(shown));
    const characters = Array.from(text);
    if (characters.length > 200) assert(shown.endsWith("…"));
    if (isShowable(text) && characters.length <= 200) {
      assertEquals(shown, text);
    }
  },
);

holds(
  "show cuts long text at 200 characters, never inside of one",
  [
    fc.constantFrom("a", "é", "日", "💾", "\x1b", "\u202e", "\ud800"),
    fc.integer({ min: 195, max: 450 }),
    fc.nat({ max: 3 }),
  ],
  (character, count, shift) => {
    const text = "x".repeat(shift) + character.repeat(count);
    const shown = show(text);
    assert(isShowable(shown));
    const isCut = shift + count > 200;
    const kept = "x".repeat(shift) +
      show(character).repeat(isCut ? 200 - shift : count);
    assertEquals(shown, isCut ? `${kept}…` : kept);
  },
);

holds(
  "TextCheck judges text the same however it is cut",
  [
    fc.oneof(
      anyText.map((text) => encoder.encode(text)),
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(anyText, fc.uint8Array({ maxLength: 2 }))
        .map(([text, end]) =>
          new Uint8Array([...encoder.encode(text), ...end])
        ),
    ),
    fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
  ],
  (bytes, slices) => {
    const whole = new TextCheck();
    const expected = whole.accepts(bytes) && whole.acceptsEnd();
    const check = new TextCheck();
    let accepted = true;
    for (let at = 0, turn = 0; at < bytes.length && accepted;) {
      const end = at + slices[turn++ % slices.length]!;
      accepted = check.accepts(bytes.subarray(at, end));
      at = end;
    }
    assertEquals(accepted && check.acceptsEnd(), expected);
  },
);

const rateText = fc.tuple(
  fc.oneof(
    fc.nat().map(String),
    fc.double({ min: 0, max: 1e9, noNaN: true }).map((number) =>
      number.toFixed(3)
    ),
    anyText,
  ),
  fc.constantFrom("", "K", "M", "G", "k", "m", "g", "T", "KB", "Kb", "B", " K"),
).map((parts) => parts.join(""));

holds(
  "parseRate gives a rate that can be kept, or none",
  [fc.oneof(anyText, rateText)],
  (text) => {
    const rate = parseRate(text);
    if (rate === undefined) return;
    assert(rate > 0 && Number.isFinite(rate), text);
    const limit = new RateLimit(rate);
    assertEquals(limit.reserve(limit.stepBytes, 0), 0);
    assert(limit.reserve(1, 0) >= 0);
  },
);

holds(
  "parseRate multiplies by what stands behind the number",
  [fc.integer({ min: 1, max: 1e6 }), fc.constantFrom("", "K", "M", "G")],
  (number, unit) => {
    const factor = 1_000 ** ["", "K", "M", "G"].indexOf(unit);
    for (const text of [`${number}${unit}`, `${number}.0${unit}B`]) {
      assertEquals(parseRate(text.toLowerCase()), number * factor);
    }
  },
);

const patternText = fc.oneof(
  dodgyName,
  fc.array(
    fc.oneof(
      plainPart,
      fc.constantFrom(
        ...["*", "**", "?", "[", "]", "[a-z]", "[z-a]", "[!x]", "[[:alpha:]]"],
        ...["{", "}", "{a,b}", ",", "(", ")", "+(", "@(", "!(", "|", "\\", "/"],
        ...["[:", "$", "^", "+", "n", ".", "[^", "[\\", "\\*"],
      ),
    ),
    { minLength: 1, maxLength: 8 },
  ).map((parts) => parts.join("")),
);

holds(
  "parseSelection refuses any text as usage, or gives what can be asked for",
  [patternText, plainName],
  (text, name) => {
    const selection = parsed(() => parseSelection(text), "usage");
    if (selection === undefined) return;
    if (selection.kind === "name") {
      assertEquals(safeName(selection.name).kind, "safe");
      return;
    }
    // Nodes are asked for names with that prefix alone.
    for (const one of [name, selection.prefix + name, selection.pattern]) {
      if (safeName(one).kind === "refused" || !selection.matches(one)) continue;
      assert(one.startsWith(selection.prefix), JSON.stringify(one));
    }
  },
);

holds(
  "parseSelection takes a plain name for a name, and with a slash for its folder",
  [plainName, plainName],
  (folder, name) => {
    if (/[*?[{]/.test(folder)) return;
    const file = folder.normalize("NFC");
    assertEquals(parseSelection(folder), { kind: "name", name: file });
    const below = parseSelection(`${folder}/`);
    assert(below.kind === "matching" && below.prefix === `${file}/`);
    const isHidden = /(^|\/)\./.test(name);
    assertEquals(below.matches(`${file}/${name}`), !isHidden);
    assertEquals(below.leavesOut!(`${file}/${name}`), isHidden);
    assert(!below.matches(file));
    assert(!below.matches(`${file}x/${name}`));
  },
);

/** Whether `items` match `pattern`, found by trying everything there is. */
function matchesSlowly<Item>(
  pattern: readonly string[],
  items: readonly Item[],
  options: {
    star: string;
    starMatches?: (item: Item) => boolean;
    matchesOne: (one: string, item: Item) => boolean;
  },
): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return items.length === 0;
  const [item, ...others] = items;
  if (first === options.star) {
    return matchesSlowly(rest, items, options) ||
      (item !== undefined && (options.starMatches?.(item) ?? true) &&
        matchesSlowly(pattern, others, options));
  }
  return item !== undefined && options.matchesOne(first, item) &&
    matchesSlowly(rest, others, options);
}

const MATCHES: Readonly<Record<string, (character: string) => boolean>> = {
  "?": () => true,
  "[ab]": (character) => /[ab]/.test(character),
  "[!a]": (character) => character !== "a",
  "[a-c]": (character) => /[a-c]/.test(character),
};

const globPart = fc.oneof(
  fc.constant(["**"]),
  fc.array(fc.constantFrom("a", "b", "é", ".", "*", ...Object.keys(MATCHES)), {
    minLength: 1,
    maxLength: 5,
  }).filter((tokens) => tokens.join("") !== "**"),
);

holds(
  "parseGlob matches what is found by trying everything there is",
  [
    fc.array(globPart, { minLength: 1, maxLength: 4 }),
    fc.array(
      fc.string({
        unit: fc.constantFrom(..."abé."),
        minLength: 1,
        maxLength: 5,
      }),
      { minLength: 1, maxLength: 4 },
    ),
  ],
  (parts, folders) => {
    const glob = parts.map((tokens) => tokens.join("")).join("/");
    const name = folders.join("/");
    const found = parseGlob(glob)(name);
    // At the end it stands for what is in the folder, not for the folder.
    const isEnd = parts.at(-1)![0] === "**";
    const expected = matchesSlowly(
      [...parts, ...(isEnd ? [["*"]] : [])].map((tokens) => tokens.join(" ")),
      folders,
      {
        star: "**",
        starMatches: (folder) => !folder.startsWith("."),
        matchesOne: (tokens, folder) =>
          (!folder.startsWith(".") || tokens.startsWith(".")) &&
          matchesSlowly(tokens.split(" "), Array.from(folder), {
            star: "*",
            matchesOne: (token, one) => MATCHES[token]?.(one) ?? token === one,
          }),
      },
    );
    assertEquals(found, expected, `${glob} and ${name}`);
    if (found) assert(name.startsWith(globPrefix(glob)));
  },
  { runs: 3_000 },
);

for (
  const [pattern, name] of [
    ["*a*a*a*b", "a".repeat(255)],
    ["**/*a*a*a*b", "a/".repeat(100) + "a".repeat(255)],
    ["*report*2024*final*.pdf", "report2024final".repeat(17)],
    ["?*?*?*?*x", "a".repeat(255)],
  ] as const
) {
  Deno.test(`parseSelection decides at once about a name made to fit ${pattern} almost`, () => {
    const selection = parseSelection(pattern);
    assert(selection.kind === "matching");
    // The best of five: another process may have the processor meanwhile.
    const times = Array.from({ length: 5 }, () => {
      const startedAt = performance.now();
      assertEquals(selection.matches(name), false);
      return performance.now() - startedAt;
    });
    // Names are strangers', and there may be a million of them.
    assert(Math.min(...times) < 100, times.join(", "));
  });
}
