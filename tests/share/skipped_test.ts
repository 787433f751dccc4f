import { assertEquals } from "@std/assert";
import { SKIP_KINDS, Skipped } from "../../lib/share/skipped.ts";

function counted(skipped: Skipped): Record<string, number> {
  const counts = skipped.counts;
  return Object.fromEntries(
    SKIP_KINDS.filter((kind) => counts[kind] > 0)
      .map((kind) => [kind, counts[kind]]),
  );
}

Deno.test("Skipped keeps skippedNameCount paths, and counts the others", () => {
  const skipped = new Skipped(3);
  for (let n = 0; n < 5; n++) skipped.note(`/s/${n}`, "link");
  skipped.note("/s/c:", "name", 'a name must not hold ":"');
  assertEquals(counted(skipped), { link: 5, name: 1 });
  assertEquals(
    [...skipped.entries()].map(({ path }) => path),
    ["/s/0", "/s/1", "/s/2"],
  );
  // Whether one of the others was counted is not known any more.
  skipped.complete();
  skipped.note("/s/4", "link");
  assertEquals(counted(skipped), { link: 5, name: 1 });
});

Deno.test("Skipped counts a path once, under its latest kind", () => {
  const skipped = new Skipped(10);
  skipped.note("/s/a", "link");
  skipped.note("/s/a", "link");
  assertEquals(counted(skipped), { link: 1 });
  skipped.note("/s/a", "name", "a rule");
  assertEquals(counted(skipped), { name: 1 });
  assertEquals([...skipped.entries()], [
    { path: "/s/a", kind: "name", rule: "a rule" },
  ]);
  skipped.forget("/s/a");
  skipped.forget("/s/a");
  assertEquals(counted(skipped), {});
});

Deno.test("Skipped forgets only the entries below a folder", () => {
  const skipped = new Skipped(10);
  for (const path of ["/s/d", "/s/d/1", "/s/d/e/2", "/s/dd", "C:\\d\\3"]) {
    skipped.note(path, "special");
  }
  skipped.forgetBelow("/s/d");
  skipped.forgetBelow("C:\\d");
  assertEquals([...skipped.entries()].map(({ path }) => path), ["/s/dd"]);
  assertEquals(counted(skipped), { special: 1 });
});
