/**
 * HTML in which every text is escaped, because only {@linkcode markup} makes
 * {@linkcode Markup}. Pure.
 *
 * @module
 */

import { showWhole } from "./text.ts";

/** HTML or SVG that is complete: nothing in it is a stranger's markup. */
export class Markup {
  /** The HTML. */
  readonly text: string;

  /** `text` is used unchanged; other modules call {@linkcode markup}. */
  constructor(text: string) {
    this.text = text;
  }
}

/** A text, a number, or markup that is complete; `undefined` leaves no trace. */
export type HtmlValue =
  | string
  | number
  | Markup
  | undefined
  | readonly HtmlValue[];

/**
 * Joins HTML and values. A text is escaped, for content and for attributes in
 * quotes; control characters and those that change the order of reading become
 * visible, as on a terminal.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { markup } from "./html.ts";
 *
 * const name = '<b title="x">';
 * assertEquals(
 *   markup`<td title="${name}">${[markup`<i>${1}</i>`, name]}</td>`.text,
 *   '<td title="&lt;b title=&quot;x&quot;&gt;">' +
 *     "<i>1</i>&lt;b title=&quot;x&quot;&gt;</td>",
 * );
 * ```
 */
export function markup(
  fixed: TemplateStringsArray,
  ...values: readonly HtmlValue[]
): Markup {
  const joined = fixed.map((part, index) => part + textOf(values[index]));
  return new Markup(joined.join(""));
}

function textOf(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return escapeHtml(value);
  return value.map(textOf).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as HTML, for content and for attributes in quotes. */
export function escapeHtml(text: string): string {
  return showWhole(text).replaceAll(/[&<>"']/g, (found) => ENTITIES[found]!);
}
