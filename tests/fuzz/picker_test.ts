import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  parseTerms,
  scoreOf,
  type Subject,
  subjectOf,
  type Term,
} from "../../lib/cli/picker/fuzzy.ts";
import {
  type Key,
  KeyDecoder,
  type KeyName,
} from "../../lib/cli/picker/keys.ts";
import { Picker, type Size } from "../../lib/cli/picker/state.ts";
import { Search } from "../../lib/cli/picker/search.ts";
import {
  cutEnd,
  cutStart,
  startOf,
  widthOf,
} from "../../lib/cli/output/width.ts";
import { filesOf } from "../cli/_picker_files.ts";
import { anyText, holds, isShowable } from "./_runs.ts";

const encoder = new TextEncoder();

/** Bytes as a terminal might send them, and some it never does. */
const typedBytes = fc.array(
  fc.oneof(
    fc.constantFrom(
      ...["\x1b", "\x1b[", "\x1b[A", "\x1bOB", "\x1b[5~", "\x1b[1;", "~", "["],
      ...["\x1b[200~", "\x1b[201~", "\x1b[?6c", "\x1b]0;", "\x07", "\x1b\\"],
      ...["\x03", "\r", "\n", "\x7f", "\0", "O", "c", "\x1b[[A", "\x1b[2"],
    ).map((text) => encoder.encode(text)),
    anyText.map((text) => encoder.encode(text)),
    fc.uint8Array({ maxLength: 8 }),
    fc.integer({ min: 0x30, max: 0x39 }).map((byte) =>
      new Uint8Array(70).fill(byte)
    ),
  ),
  { maxLength: 20 },
).map((parts) => new Uint8Array(parts.flatMap((part) => [...part])));

/** The same keys, however they were cut: text that stands together is one. */
function joined(keys: readonly Key[]): Key[] {
  const all: Key[] = [];
  for (const key of keys) {
    const last = all.at(-1);
    if (key.kind === "text" && last?.kind === "text") {
      all[all.length - 1] = { kind: "text", text: last.text + key.text };
    } else all.push(key);
  }
  return all;
}

holds(
  "KeyDecoder gives the same keys wherever reads end, and text without control characters",
  [typedBytes, fc.array(fc.nat(40), { maxLength: 30 })],
  (bytes, cuts) => {
    const whole = new KeyDecoder().feed(bytes);
    const decoder = new KeyDecoder();
    const keys: Key[] = [];
    let at = 0;
    for (const cut of cuts) {
      keys.push(...decoder.feed(bytes.slice(at, at + cut)));
      at += cut;
    }
    keys.push(...decoder.feed(bytes.slice(at)));
    assertEquals(joined(keys), joined(whole));
    for (const key of keys) {
      if (key.kind === "text") assert(!/\p{Cc}|\p{Cs}/u.test(key.text));
    }
  },
);

holds(
  "KeyDecoder always takes Ctrl-C once what came before it is settled",
  [typedBytes],
  (bytes) => {
    const decoder = new KeyDecoder();
    decoder.feed(bytes);
    decoder.settle();
    // Once for a sequence or a character that is cut off, once for a text.
    const keys = [0x03, 0x07, 0x03].flatMap((byte) =>
      decoder.feed(Uint8Array.of(byte))
    );
    assert(keys.some((key) => key.kind === "key" && key.name === "ctrl_c"));
  },
);

holds(
  "What is cut takes the columns it may, and no character more would fit",
  [anyText, fc.nat(30)],
  (text, columns) => {
    for (const cut of [cutEnd, cutStart, startOf]) {
      assert(widthOf(cut(text, columns)) <= columns);
      assertEquals(cut(text, widthOf(text)), text);
    }
    assert(text.startsWith(startOf(text, columns)));
    const [next = ""] = text.slice(startOf(text, columns).length);
    assert(widthOf(startOf(text, columns) + next) > columns || next === "");
  },
);

/** A few characters, so that queries match. */
const shortName = fc.string({
  unit: fc.constantFrom(..."aabbcAB/-_1é日", "İ", "ẞ", "Σ", "😀"),
  maxLength: 12,
});
const shortQuery = fc.string({
  unit: fc.constantFrom(..."aabbcAB/ -1é日Σ", "e\u0301", "😀"),
  maxLength: 5,
});

/** Whether the characters of `term` occur in their order: said plainly. */
function occurs(term: Term, subject: Subject): boolean {
  const text = term.isExact ? subject.text : subject.folded;
  let at = -1;
  return term.text.split("").every((unit) =>
    (at = text.indexOf(unit, at + 1)) >= 0
  );
}

holds(
  "scoreOf is above -1 for just what has all terms in order, and says where",
  [shortQuery, shortName],
  (query, name) => {
    const terms = parseTerms(query);
    const subject = subjectOf(name);
    assertEquals(subject.folded.length, name.length);
    const places = new Set<number>();
    const score = scoreOf(terms, subject, places);
    assertEquals(
      score >= 0,
      terms.every((term) => occurs(term, subject)),
    );
    if (score < 0) return;
    assert([...places].every((at) => at >= 0 && at < name.length));
    for (const { text, isExact } of terms) {
      const where = [...places].toSorted((a, b) => a - b);
      const said = where.map((at) =>
        (isExact ? name : subject.folded).charAt(at)
      ).join("");
      assert(occurs({ text, isExact: true }, subjectOf(said)), said);
    }
  },
);

holds(
  "Search finds the same whether it was narrowed step by step or asked at once",
  [
    fc.array(shortName, { maxLength: 12 }),
    fc.array(shortQuery, { minLength: 1, maxLength: 5 }),
    fc.boolean(),
  ],
  (names, parts, isLonger) => {
    const search = new Search(names);
    let query = "";
    for (const part of parts) {
      query = isLonger ? query + part : part;
      search.ask(query);
      while (!search.isDone) search.work();
    }
    const fresh = new Search(names);
    fresh.ask(query);
    while (!fresh.isDone) fresh.work();
    const ranked = (from: Search) =>
      Array.from({ length: from.count }, (_, rank) => from.at(rank));
    assertEquals(ranked(search), ranked(fresh));
    const scores = ranked(fresh).map((at) =>
      scoreOf(parseTerms(query), subjectOf(names[at]!))
    );
    assertEquals(scores, scores.toSorted((a, b) => b - a));
    assertEquals(new Set(ranked(fresh)).size, fresh.count);
  },
);

const anyKey: fc.Arbitrary<Key> = fc.oneof(
  anyText.map((text) => ({ kind: "text" as const, text })),
  shortQuery.map((text) => ({ kind: "text" as const, text })),
  fc.constantFrom<KeyName>(
    ...["up", "down", "page_up", "page_down", "home", "end"] as const,
    ...["ctrl_n", "ctrl_p", "ctrl_u", "ctrl_w", "backspace", "tab"] as const,
  ).map((name) => ({ kind: "key" as const, name })),
);
const anySize: fc.Arbitrary<Size> = fc.record({
  columns: fc.integer({ min: 1, max: 90 }),
  rows: fc.integer({ min: 1, max: 12 }),
});

holds(
  "Picker fits its screen, marks one file, and shows nothing that acts, whatever is typed",
  [
    fc.array(fc.oneof(anyText, shortName), { maxLength: 15 }),
    anySize,
    fc.array(fc.oneof(anyKey, anySize), { maxLength: 15 }),
  ],
  (names, size, steps) => {
    const files = filesOf(
      ...names.map((name, at) =>
        [name, { nodeCount: 1 + at % 3, differs: at % 3 === 2 }] as [
          string,
          { nodeCount: number; differs: boolean },
        ]
      ),
    );
    const picker = new Picker(files, { size, nodeCount: 3 });
    for (const step of [...steps, size]) {
      if ("kind" in step) picker.press(step);
      else picker.resize(size = step);
      while (picker.isSearching) picker.work();
      const { rows, cursor } = picker.frame();
      assert(rows.length <= size.rows);
      for (const { spans } of rows) {
        const text = spans.map(({ text }) => text).join("");
        assert(isShowable(text), JSON.stringify(text));
        assert(widthOf(text) <= size.columns, text);
      }
      assert(cursor.row === 0 && cursor.column < size.columns);
      const shown = rows.length > (size.rows > 2 ? 2 : 1);
      const marked = rows.filter(({ isMarked }) => isMarked).length;
      assertEquals(marked, shown ? 1 : 0);
      const outcome = picker.press({ kind: "key", name: "enter" });
      if (shown) assert(outcome.kind === "picked");
    }
  },
);
