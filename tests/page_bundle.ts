/**
 * Writes `lib/gateway/page_bundle.ts` from the files below `lib/gateway/page/`:
 * `deno task page`. Deno reads a module of text only with a permission where
 * the project is behind a symbolic link, and reads code without one.
 */

import { join } from "@std/path";
import { ROOT } from "./_rooms.ts";

const FOLDER = join(ROOT, "lib/gateway/page");

/** Where the bundle is. */
export const BUNDLE = join(ROOT, "lib/gateway/page_bundle.ts");

/** The bundle as it should be. */
export async function bundleText(): Promise<string> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(FOLDER)) names.push(name);
  names.sort();
  const rows: string[] = [];
  for (const name of names) {
    const bytes = await Deno.readFile(join(FOLDER, name));
    rows.push(`  "${name}":\n    "${bytes.toBase64()}",\n`);
  }
  return `/**
 * The files below \`page/\`, in base64. Written by \`deno task page\`: change
 * those files, and not this one.
 *
 * @module
 */

/** Content by name. */
export const PAGE_BUNDLE: Readonly<Record<string, string>> = {
${rows.join("")}};
`;
}

if (import.meta.main) await Deno.writeTextFile(BUNDLE, await bundleText());
