/**
 * The flags of Deno that remedies name.
 */

import { assertEquals } from "@std/assert";
import {
  accessFlag,
  grantablePath,
  grantRemedy,
} from "../../lib/base/permission.ts";

Deno.test("grantablePath names the nearest folder above the first comma, and not the root", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["a", "a"],
    ["a,b", "."],
    [",", "."],
    ["a/b,c/d,e", "a"],
    ["a/,b", "a"],
    ["../a,b", ".."],
    ["/a/b,c", "/a"],
    ["/a/,c", "/a"],
    ["/a,b/c", undefined],
    ["/,a", undefined],
  ];
  for (const [path, wanted] of rows) {
    assertEquals(grantablePath(path), wanted, path);
  }
});

Deno.test({
  name: "Remedies for paths with commas name folders that a flag can name",
  permissions: { read: false, write: false },
  fn: () => {
    assertEquals(
      accessFlag("read", ["x/a,b", "x/,c", "y"]),
      "--allow-read=x,y",
    );
    assertEquals(accessFlag("write", ["y", "/a,b"]), "--allow-write");
    assertEquals(
      grantRemedy(["x/a,b"], "read", "write"),
      "grant it with --allow-read=x --allow-write=x",
    );
    assertEquals(
      grantRemedy(["/a,b"], "read"),
      "rename it: Deno cannot grant a path with a comma, and its parent folder is the root",
    );
  },
});
