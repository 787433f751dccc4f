import { assertEquals } from "@std/assert";
import { lastParts, NearestNames } from "../../lib/content/nearest.ts";

const NAMES = [
  "work/report.pdf",
  "work/reports/2023.pdf",
  "old/rapport.pdf",
  "photos/2024/summer/IMG_4001.JPG",
  "photos/2024/summer/IMG_4002.JPG",
  "docs/notes.txt",
  "docs/.notes.txt",
  "music/song.flac",
  "1.txt",
  "Müller Straße größe.txt",
  "plan-2026-final.odt",
];

for (
  const [wanted, nearest] of [
    ["Report.PDF", ["work/report.pdf", "old/rapport.pdf"]],
    ["reprot.pdf", ["work/report.pdf"]],
    ["reprot", ["work/report.pdf"]],
    ["img_4001.jpg", [
      "photos/2024/summer/IMG_4001.JPG",
      "photos/2024/summer/IMG_4002.JPG",
    ]],
    ["2024", ["photos/2024/", "work/reports/2023.pdf"]],
    ["summer", ["photos/2024/summer/"]],
    ["Summer/img_4002.jpg", [
      "photos/2024/summer/IMG_4002.JPG",
      "photos/2024/summer/IMG_4001.JPG",
    ]],
    ["note", ["docs/notes.txt"]],
    [".notes.txt", ["docs/.notes.txt", "docs/notes.txt"]],
    ["rt", []],
    ["9.txt", []],
    ["report.pfd", ["work/report.pdf", "old/rapport.pdf"]],
    ["something else", []],
    ["Müler", ["Müller Straße größe.txt"]],
    ["Muller", ["Müller Straße größe.txt"]],
    ["plan.odt", ["plan-2026-final.odt"]],
    ["plan.pdf", []],
    ["paln", ["plan-2026-final.odt"]],
  ] as const
) {
  Deno.test(`NearestNames finds ${nearest.length} names near "${wanted}", the nearest first`, () => {
    const near = new NearestNames(wanted);
    for (const name of NAMES) near.note(name);
    assertEquals(near.names, nearest);
  });
}

Deno.test("NearestNames keeps three, whatever the order and repetition of the names", () => {
  const names = Array.from({ length: 40 }, (_, n) => `d${n % 20}/report.pdf`);
  for (const order of [names, names.toReversed()]) {
    const near = new NearestNames("Report.pdf");
    for (const name of order) near.note(name);
    assertEquals(near.names, [
      "d0/report.pdf",
      "d1/report.pdf",
      "d2/report.pdf",
    ]);
  }
});

Deno.test("NearestNames stops comparing letters after a bounded amount of work", () => {
  const wanted = "x".repeat(255);
  const near = new NearestNames(wanted);
  // Each comparison takes 65,025 fields of the table: some 300 are allowed.
  for (let n = 0; n < 2_000; n++) near.note("y".repeat(251) + `${n}`.padEnd(4));
  const almost = "x".repeat(254) + "y";
  near.note(almost);
  assertEquals(near.names, []);
  const fresh = new NearestNames(wanted);
  fresh.note(almost);
  assertEquals(fresh.names, [almost]);
});

Deno.test("NearestNames looks at no name after twenty million letters of others", () => {
  const near = new NearestNames("report.pdf");
  const long = "z".repeat(1_000);
  for (let n = 0; n < 20_000; n++) near.note(long);
  near.note("work/report.pdf");
  assertEquals(near.names, []);
});

for (
  const [name, depth, last] of [
    ["a/b/c", 1, "c"],
    ["a/b/c", 2, "b/c"],
    ["a/b/c", 3, "a/b/c"],
    ["a/b/c", 4, "a/b/c"],
    ["c", 1, "c"],
  ] as const
) {
  Deno.test(`lastParts gives ${depth} components of ${name} at most`, () => {
    assertEquals(lastParts(name, depth), last);
  });
}
