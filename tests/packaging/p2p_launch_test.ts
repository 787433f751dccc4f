/**
 * The launcher runs before every command of `p2p`, so it loads little.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { codeOf } from "../_rooms.ts";

/** What a module loads when it starts: no types, and nothing that is loaded later. */
function loadedBy(path: string): string[] {
  const found = codeOf(path).matchAll(
    /^(?:import|export)\s+(?!type\b)(?:\{([^}]*)\}|\*[^;]*?|\w+)\s*from\s*"([^"]+)"/gm,
  );
  return [...found]
    // `import { type A, type B }` loads nothing.
    .filter(([, names]) =>
      names === undefined ||
      names.split(",").some((name) => !/^\s*(type\s.*)?$/.test(name))
    )
    .map(([, , specifier = ""]) =>
      specifier.startsWith(".") ? join(path, "..", specifier) : specifier
    );
}

Deno.test("The launcher of p2p loads no module of Node, no schemas and no sockets", () => {
  const loaded = new Set<string>();
  const waiting = ["packaging/p2p/launch.ts"];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    if (path.endsWith(".ts")) waiting.push(...loadedBy(path));
  }
  assert(loaded.has("packaging/p2p/serving.ts"));
  // The other parts of `@std/path` ask Node's `process` for the system.
  assertEquals([...loaded].filter((path) => !path.endsWith(".ts")).toSorted(), [
    "@std/async/abortable",
    "@std/cli/parse-args",
    "@std/path/posix/dirname",
    "@std/path/posix/join",
    "@std/path/windows/dirname",
  ]);
  const rooms = [...loaded].filter((path) =>
    /^lib\/(protocol|transport|node|client|relay|transfer|disk)\//.test(path)
  );
  assertEquals(rooms, []);
});
