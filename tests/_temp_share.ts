/**
 * Folders that exist for one test.
 */

import { dirname, join } from "@std/path";

/** A folder that is removed when disposed of. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
}

/** A new folder with the given files: name to content. */
export async function tempShare(
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<TempFolder> {
  // Resolved: on some systems the temporary folder is a link.
  const path = await Deno.realPath(
    await Deno.makeTempDir({ prefix: "relay-p2p-test-" }),
  );
  for (const [name, content] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(path, name)), { recursive: true });
    await Deno.writeFile(
      join(path, name),
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  }
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
