import { assertEquals, assertLess } from "@std/assert";
import { GrantedFiles, type Shared } from "../../lib/node/granted_files.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";

const CONTENT = "ab".repeat(32);
const COUNT = 10_000;

/** A share of many files with one content, which counts the looks at them. */
function manyAlike(): { shared: Shared; looks: () => number } {
  const names = Array.from({ length: COUNT }, (_, n) => `d${n % 10}/f${n}`);
  const fileOf = (name: string) => ({ name, version: name }) as ShareFile;
  let looks = 0;
  const shared = {
    share: {
      named: (name: string) => names.includes(name) ? fileOf(name) : undefined,
      versioned: () => undefined,
      *withContent() {
        for (const name of names) {
          looks++;
          yield fileOf(name);
        }
      },
    },
    digests: {
      withContent: () => fileOf(names[0]!),
      of: () => ({ content: CONTENT }),
    },
  } as unknown as Shared;
  return { shared, looks: () => looks };
}

Deno.test("GrantedFiles finds the file of a link among thousands with its content without a look at the others", () => {
  const { shared, looks } = manyAlike();
  const prefix = `d9/f${COUNT - 1}`;
  const grant = { expires: Infinity, prefix, content: CONTENT };
  const files = new GrantedFiles(shared);
  files.limitTo(grant);
  assertEquals(files.standingFor(CONTENT)?.name, prefix);
  assertEquals(looks(), 0);
});

Deno.test("GrantedFiles looks at few of the files with one content for a client that may have none of them", () => {
  const { shared, looks } = manyAlike();
  for (const prefix of ["elsewhere/", "elsewhere"]) {
    const files = new GrantedFiles(shared);
    files.limitTo({ expires: Infinity, prefix });
    assertEquals(files.standingFor(CONTENT), undefined);
  }
  assertLess(looks(), 1_000);
});

Deno.test("GrantedFiles finds a file in a folder that a client may have by the content of another", () => {
  const { shared } = manyAlike();
  const files = new GrantedFiles(shared);
  files.limitTo({ expires: Infinity, prefix: "d7/" });
  assertEquals(files.standingFor(CONTENT)?.name, "d7/f7");
});
