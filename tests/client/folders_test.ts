import { assertEquals } from "@std/assert";
import { isOnlyFolder, isPattern } from "../../lib/client/folders.ts";

Deno.test("The commands that explain a folder or a pattern quote its name for a shell", () => {
  const long = "l".repeat(300);
  const words = (name: string) => [
    isOnlyFolder(name).parts.remedy,
    isPattern(name).parts.remedy,
  ];
  for (
    const [name, folder, pattern] of [
      ["it's", "'it'\\''s/'", "'it'\\''s'"],
      ["-o", "-- '-o/'", "-- '-o'"],
      [long, `'${long}/'`, `'${long}'`],
    ] as const
  ) {
    assertEquals(words(name), [
      `get ${folder} fetches what is in it, and ls ${folder} lists it`,
      `list the matches with ls ${pattern}, and take one of them`,
    ]);
  }
});
