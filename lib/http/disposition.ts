/**
 * The header field that gives a download its name: RFC 6266 and 8187. Pure.
 *
 * @module
 */

/**
 * `Content-Disposition` for a file to save under `name`. The first form is for
 * clients that do not know the second: ASCII, without characters that some of
 * them misread (`%`, `"`, `\`).
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { attachment } from "./disposition.ts";
 *
 * assertEquals(
 *   attachment("grün.txt"),
 *   `attachment; filename="gr_n.txt"; filename*=UTF-8''gr%C3%BCn.txt`,
 * );
 * assertEquals(attachment("a, b.txt"), 'attachment; filename="a, b.txt"');
 * ```
 */
export function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/gu, "_");
  const first = `attachment; filename="${plain}"`;
  if (plain === name) return first;
  return `${first}; filename*=UTF-8''${encodeExtended(name)}`;
}

/** Percent-encoded, except for the characters that RFC 8187 allows. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
