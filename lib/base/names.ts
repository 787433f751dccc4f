/**
 * Checks file names that come from elsewhere: from a peer, from the disk of a
 * node, from the command line. A safe name is portable, relative and in NFC.
 * None of its characters controls a terminal or is invisible. Pure text; only
 * `share` turns a name into a path.
 *
 * @module
 */

import { LIMITS } from "./limits.ts";

/** Suffix of a file that is still being received. */
export const PARTIAL_SUFFIX = ".p2p-part";

/** A name that passed, or the rule it broke. */
export type NameVerdict =
  | { readonly kind: "safe"; readonly name: string }
  | { readonly kind: "refused"; readonly rule: string };

// Common characters, which the next rules do not concern.
const PRINTABLE_ASCII = /^[ -~]*$/;
const CONTROL = /\p{Cc}/u;
// Bidi embeddings, overrides and isolates; the byte order mark.
const REORDERING = /[\u202a-\u202e\u2066-\u2069\ufeff]/u;
// Separators of lines and paragraphs; annotations between lines.
const SEPARATING = /[\u2028\u2029\ufff9-\ufffb]/;
// Invisible, and some disks drop them: `.g\u200dit` is `.git`.
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;
// Joiners and variant selectors where scripts and emoji need them. Beside ASCII
// only in a keycap.
const NEEDED =
  /(?<=[\p{L}\p{M}\p{Emoji_Modifier}\p{Extended_Pictographic}\ufe0f])(?<![ -~])[\u200c\u200d\ufe0e\ufe0f](?=$|[^ -~]|[./ _-])|(?<=[#*0-9])\ufe0f(?=\u20e3)/gu;
// Surrogate, unassigned, private use. U+FFFD replaces bytes that were not
// UTF-8.
const MEANINGLESS = /[\p{Cs}\p{Cn}\p{Co}\ufffd]/u;
// Windows ignores spaces before the ending.
const WINDOWS_DEVICE =
  /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i;

/**
 * Checks a share-relative name (components joined by `/`) and brings it to NFC.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { safeName } from "./names.ts";
 *
 * assertEquals(safeName("photos/a.jpg"), { kind: "safe", name: "photos/a.jpg" });
 * assertEquals(safeName("../a.jpg"), {
 *   kind: "refused",
 *   rule: 'a name must not have "." or ".." as a part',
 * });
 * ```
 */
export function safeName(remote: string): NameVerdict {
  const name = PRINTABLE_ASCII.test(remote) ? remote : remote.normalize("NFC");
  const rule = brokenRule(name);
  return rule === undefined
    ? { kind: "safe", name }
    : { kind: "refused", rule };
}

function brokenRule(name: string): string | undefined {
  if (name === "") return "a name must not be empty";
  if (exceeds(name, LIMITS.nameBytes)) {
    return `a name must be at most ${LIMITS.nameBytes} bytes, found ${
      byteLength(name)
    }`;
  }
  const rule = PRINTABLE_ASCII.test(name)
    ? undefined
    : brokenCharacterRule(name);
  if (rule !== undefined) return rule;
  if (name.startsWith("/")) return 'a name must not begin with "/"';
  if (name.includes("\\")) return 'a name must not hold "\\"';
  if (name.includes(":")) return 'a name must not hold ":"';
  const parts = name.split("/");
  if (parts.length > LIMITS.nameDepthCount) {
    return `a name must have at most ${LIMITS.nameDepthCount} parts, found ${parts.length}`;
  }
  for (const part of parts) {
    const rule = brokenPartRule(part);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function brokenCharacterRule(name: string): string | undefined {
  if (CONTROL.test(name)) return "a name must not hold control characters";
  if (REORDERING.test(name)) {
    return "a name must not hold characters that reorder text";
  }
  if (SEPARATING.test(name)) {
    return "a name must not hold characters that separate lines";
  }
  if (INVISIBLE.test(name.replace(NEEDED, ""))) {
    return "a name must not hold invisible characters";
  }
  if (MEANINGLESS.test(name)) {
    return "a name must be valid Unicode without private-use characters";
  }
  return undefined;
}

function brokenPartRule(part: string): string | undefined {
  if (part === "") return 'a name must not hold "//" or end in "/"';
  if (part === "." || part === "..") {
    return 'a name must not have "." or ".." as a part';
  }
  if (exceeds(part, LIMITS.nameComponentBytes)) {
    return `a part of a name must be at most ${LIMITS.nameComponentBytes} bytes, found ${
      byteLength(part)
    }`;
  }
  if (part.startsWith(" ")) {
    return "a part of a name must not begin with a space";
  }
  if (part.endsWith(" ") || part.endsWith(".")) {
    return "a part of a name must not end in a space or a dot";
  }
  if (WINDOWS_DEVICE.test(part)) {
    return "a name must not be that of a Windows device";
  }
  if (part.endsWith(PARTIAL_SUFFIX)) {
    return `a name must not end in "${PARTIAL_SUFFIX}"`;
  }
  return undefined;
}

const encoder = new TextEncoder();
const UNIT_BYTES = 3; // the most that a UTF-16 unit takes in UTF-8

/** Whether a text takes more bytes than `most`; most are too short to count. */
function exceeds(text: string, most: number): boolean {
  return text.length * UNIT_BYTES > most && byteLength(text) > most;
}

function byteLength(text: string): number {
  return encoder.encode(text).length;
}
