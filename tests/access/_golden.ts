/**
 * The values that docs/PROTOCOL.md promises for one secret. They were computed
 * by another program.
 */

const document = Deno.readTextFileSync(
  new URL("../../docs/PROTOCOL.md", import.meta.url),
);
const block = /```access\n([^`]+)```/.exec(document)?.[1] ?? "";

/** A value, by what it is called there. */
export function golden(name: string): string {
  const line = block.split("\n").find((line) => line.startsWith(`${name} `));
  if (line === undefined) throw new Error(`PROTOCOL.md has no ${name}`);
  return line.slice(name.length + 1);
}

/** The secret that all of them come from. */
export const SECRET = Uint8Array.fromBase64(golden("secret"));
export const RELAY_ID = golden("relay id");
export const NODE_ID = golden("node id");
export const NAME = golden("name");
export const CONTENT = golden("content");
/** When the grant and the pass in the document end. */
export const EXPIRES = 1_795_000_000;
