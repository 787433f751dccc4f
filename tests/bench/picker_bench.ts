/**
 * The picker with 100,000 files: each figure is one key, from its bytes to the
 * rows of the screen, the whole search included. `deno task bench`.
 */

import { KeyDecoder } from "../../lib/cli/picker/keys.ts";
import { Picker } from "../../lib/cli/picker/state.ts";
import { seededRandom } from "../_random.ts";
import { filesOf } from "../cli/_picker_files.ts";

const FILES = 100_000;
const WORDS = [
  ...["report", "photos", "invoice", "letter", "backup", "final", "draft"],
  ...["summer", "winter", "IMG", "scan", "contract", "notes", "music", "2024"],
];
const random = seededRandom(1);
const word = () => WORDS[Math.floor(random() * WORDS.length)];
// Through JSON, as names come: texts that were joined are slower to look at.
const files: ReturnType<typeof filesOf> = JSON.parse(JSON.stringify(filesOf(
  ...Array.from(
    { length: FILES },
    (_, n) => `${word()}/${word()}/${word()}-${word()}_${n}.jpg`,
  ),
)));

const size = { columns: 120, rows: 50 };
const encoder = new TextEncoder();

/** One key after those of `before`, in a picker that is open. */
function benchKey(name: string, before: string, key: string): void {
  const picker = new Picker(files, { size, nodeCount: 3 });
  const decoder = new KeyDecoder();
  const press = (typed: string) => {
    for (const key of decoder.feed(encoder.encode(typed))) picker.press(key);
    while (picker.isSearching) picker.work();
    return picker.frame();
  };
  Deno.bench(`${name} (goal: 50 ms)`, { n: 30, warmup: 5 }, (b) => {
    press(`\x15${before}`); // all of it again
    b.start();
    const { rows } = press(key);
    b.end();
    if (rows.length < 3) throw new Error("no file was found");
  });
}

benchKey("first letter, in nearly all names", "", "o");
benchKey("first letter, in few names", "", "G");
benchKey("second letter", "r", "t");
benchKey("third letter", "rt", "2");
benchKey("backspace, so that all is looked at again", "rt", "\x7f");
benchKey("a second word", "inv ", "7");
benchKey(
  "five pasted words",
  "",
  "report photos letter final 123",
);
benchKey("an arrow", "r", "\x1b[B");
benchKey("End", "r", "\x1b[F");

Deno.bench("opening the list", { n: 20, warmup: 3 }, () => {
  const picker = new Picker(files, { size, nodeCount: 3 });
  if (picker.frame().rows.length !== size.rows) throw new Error("not all rows");
});
