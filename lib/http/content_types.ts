/**
 * Content types of files, and what a browser must not do with them. All files
 * of a gateway share one origin, so no file may run in it. Pure.
 *
 * @module
 */

import { typeByExtension } from "@std/media-types/type-by-extension";
import type { Field } from "./answer.ts";

// Text without a guess of its charset; extensions that the database lacks or
// gives another type.
const OWN: Readonly<Record<string, string>> = {
  mkv: "video/x-matroska",
  mka: "audio/x-matroska",
  flac: "audio/flac",
  opus: "audio/ogg",
  m4a: "audio/mp4",
  ts: "video/mp2t",
  log: "text/plain",
  md: "text/plain",
  heic: "image/heic",
  avif: "image/avif",
  webp: "image/webp",
};

// Types that a browser shows or plays without running them.
const PASSIVE =
  /^(image\/(png|jpeg|gif|webp|avif|bmp|heic)|audio\/[\w.+-]+|video\/[\w.+-]+|text\/plain|application\/(zip|gzip|octet-stream|x-tar|x-7z-compressed))$/;

// Types that a browser runs as scripts, without regard to the rest.
const SCRIPT = /(java|ecma|live|j)script/;

/** The content type of a file, by the end of its name. */
export function typeOf(name: string): string {
  const [, extension] = /\.([A-Za-z0-9]+)$/.exec(name) ?? [];
  if (extension === undefined) return "application/octet-stream";
  const lower = extension.toLowerCase();
  const known = Object.hasOwn(OWN, lower) ? OWN[lower] : typeByExtension(lower);
  // The page's policy allows scripts of its own origin, which files are of too.
  if (known !== undefined && SCRIPT.test(known)) return "text/plain";
  return known ?? "application/octet-stream";
}

/** The sandbox of a document that could hold a script. */
export const SANDBOX =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; " +
  "media-src 'self'";

/**
 * The fields of a file's type: types that could run are put in a sandbox,
 * without scripts and without this origin.
 */
export function typeFields(name: string): Field[] {
  const type = typeOf(name);
  const fields: Field[] = [["Content-Type", type]];
  if (!PASSIVE.test(type)) fields.push(["Content-Security-Policy", SANDBOX]);
  return fields;
}
