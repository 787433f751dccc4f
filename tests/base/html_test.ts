/** HTML that no text can break out of. */

import { assertEquals } from "@std/assert";
import { escapeHtml, Markup, markup } from "../../lib/base/html.ts";

Deno.test("markup escapes every text, in content and in attributes", () => {
  const name = `</td><script>alert("1")</script>&'\u202e\x1b[2J`;
  const escaped =
    "&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\\u{202e}\\x1b[2J";
  assertEquals(escapeHtml(name), escaped);
  assertEquals(
    markup`<a title="${name}">${[name, [name]]}</a>`.text,
    `<a title="${escaped}">${escaped}${escaped}</a>`,
  );
});

Deno.test("markup keeps markup and numbers, and writes nothing for undefined", () => {
  const part = markup`<b>${12}</b>`;
  assertEquals(part instanceof Markup, true);
  assertEquals(
    markup`${part}${undefined}-${[part, part]}`.text,
    "<b>12</b>-<b>12</b><b>12</b>",
  );
});
