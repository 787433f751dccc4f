/**
 * Header fields that are made of strangers' names.
 */

import { assertEquals } from "@std/assert";
import { headOf } from "../../lib/http/answer.ts";
import { parseRequestHead } from "../../lib/http/request.ts";
import { attachment } from "../../lib/http/disposition.ts";
import { SANDBOX, typeFields, typeOf } from "../../lib/http/content_types.ts";

for (
  const [name, wanted] of [
    ["a.txt", 'attachment; filename="a.txt"'],
    // Chrome takes a bare comma for two fields.
    ["a, b.txt", 'attachment; filename="a, b.txt"'],
    // Safari saves the percent signs of the first form.
    [
      "Track%2001.flac",
      `attachment; filename="Track_2001.flac"; filename*=UTF-8''Track%252001.flac`,
    ],
    [
      'q"\\.txt',
      `attachment; filename="q__.txt"; filename*=UTF-8''q%22%5C.txt`,
    ],
    [
      "ü'(*).txt",
      `attachment; filename="_'(*).txt"; filename*=UTF-8''%C3%BC%27%28%2A%29.txt`,
    ],
    [
      "a\r\nSet-Cookie: x",
      `attachment; filename="a__Set-Cookie: x"; ` +
      `filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`,
    ],
    ["\ud800", `attachment; filename="_"; filename*=UTF-8''%EF%BF%BD`],
  ] as const
) {
  Deno.test(`attachment of ${JSON.stringify(name)}`, () => {
    assertEquals(attachment(name), wanted);
  });
}

for (
  const [name, type, isSandboxed] of [
    ["film.mp4", "video/mp4", false],
    ["film.MKV", "video/x-matroska", false],
    ["a.flac", "audio/flac", false],
    ["a.mp3", "audio/mpeg", false],
    ["a.jpg", "image/jpeg", false],
    ["a.txt", "text/plain", false],
    ["README.md", "text/plain", false],
    ["a.zip", "application/zip", false],
    ["none", "application/octet-stream", false],
    ["x.html", "text/html", true],
    ["x.xhtml", "application/xhtml+xml", true],
    ["x.svg", "image/svg+xml", true],
    ["x.xml", "application/xml", true],
    ["x.pdf", "application/pdf", true],
    ["x.js", "text/plain", false],
    ["x.mht", "application/octet-stream", false],
    ["x.css", "text/css", true],
    ["x.htc", "text/x-component", true],
    ["constructor.__proto__", "application/octet-stream", false],
  ] as const
) {
  Deno.test(`${name} is ${type}, ${isSandboxed ? "in a sandbox" : "as it is"}`, () => {
    assertEquals(typeOf(name), type);
    const fields = new Map(typeFields(name));
    const policy = fields.get("Content-Security-Policy");
    assertEquals(policy, isSandboxed ? SANDBOX : undefined);
  });
}

Deno.test("A shared script has no type that a page of the gateway could run", () => {
  for (const name of ["x.js", "x.MJS", "x.cjs", "x.jsx", "x.es", "x.ls"]) {
    assertEquals(
      /script/.test(typeOf(name)),
      false,
      `${name}: ${typeOf(name)}`,
    );
  }
});

Deno.test("A head keeps a stranger's name in a field on one line", () => {
  const text = headOf(
    { status: 200, fields: [["X-Name", "a\r\nSet-Cookie: b=c\0\u2028ü"]] },
    { framing: { kind: "length", bytes: 0 }, keepsAlive: true },
  );
  assertEquals(text.split("\r\n"), [
    "HTTP/1.1 200 OK",
    "X-Name: a__Set-Cookie: b=c___",
    "X-Content-Type-Options: nosniff",
    "Cross-Origin-Resource-Policy: same-origin",
    "Content-Length: 0",
    "Connection: keep-alive",
    "",
    "",
  ]);
});

Deno.test("A field with many spaces is read, or refused, in time by its length", () => {
  const spaces = " ".repeat(1 << 16); // the square of it would take minutes
  const head = (value: string) =>
    parseRequestHead(`GET / HTTP/1.1\r\nHost: a\r\nA:${value}`);
  assertEquals(head(`${spaces}\x01`), undefined);
  assertEquals(head(`${spaces}b c${spaces}`)?.headers.get("a"), "b c");
});
