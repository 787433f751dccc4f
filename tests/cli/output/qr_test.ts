import { assert, assertEquals } from "@std/assert";
import { encode } from "uqr";
import { formatQr } from "../../../lib/cli/output/qr.ts";
import { golden } from "../../access/_golden.ts";

const LINK = golden("link");

/** The modules that lines of half blocks show. */
function modulesOf(lines: readonly string[]): boolean[][] {
  return lines.flatMap((line) => {
    const cells = Array.from(line);
    return [
      cells.map((cell) => cell === "▀" || cell === "█"),
      cells.map((cell) => cell === "▄" || cell === "█"),
    ];
  });
}

Deno.test("formatQr draws all modules of the code, with a quiet zone of four", async () => {
  const drawn = await formatQr(LINK, { columns: 200, colours: false });
  assert("lines" in drawn);
  const { data, size } = encode(LINK, { ecc: "L", border: 0 });
  const modules = modulesOf(drawn.lines);
  assertEquals(modules[0]!.length, size + 8);
  for (let row = 0; row < size + 8; row++) {
    for (let column = 0; column < size + 8; column++) {
      const expected = data[row - 4]?.[column - 4] ?? false;
      assertEquals(modules[row]![column], expected, `${row} ${column}`);
    }
  }
});

Deno.test("formatQr draws black on white, and restores the colours", async () => {
  const drawn = await formatQr("a", { columns: 200, colours: true });
  assert("lines" in drawn);
  for (const line of drawn.lines) {
    assert(line.startsWith("\x1b[30;107m") && line.endsWith("\x1b[0m"));
  }
});

Deno.test("formatQr reports how many columns it needs if there are fewer", async () => {
  const { size } = encode(LINK, { ecc: "L", border: 4 });
  const fits = await formatQr(LINK, { columns: size, colours: false });
  assert("lines" in fits);
  const narrow = await formatQr(LINK, { columns: size - 1, colours: false });
  assert("why" in narrow);
  assertEquals(
    narrow.why.includes(
      `needs ${size} columns, and the terminal has ${size - 1}`,
    ),
    true,
  );
});

Deno.test("formatQr draws the longest possible link", async () => {
  const text = LINK.padEnd(512, "a");
  const drawn = await formatQr(text, { columns: 120, colours: false });
  assert("lines" in drawn);
});
