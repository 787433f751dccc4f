import { assertEquals } from "@std/assert";
import { severalInWords } from "../../../lib/cli/output/found.ts";

Deno.test("severalInWords names a folder as one of the choices", () => {
  const node = "a".repeat(52);
  const lines = severalInWords({
    event: "found_several",
    name: "f.txt",
    files: [{ name: "sub/f.txt", size: 6, modifiedMs: 0, nodes: [node] }],
    count: 1,
    isFolder: true,
  }, () => "nas");
  assertEquals(lines, [
    "f.txt may mean a folder or 1 other file:",
    "  f.txt/  the folder",
    "  sub/f.txt  6 bytes, written 1970-01-01T00:00Z, on nas",
  ]);
});
