/** The page without script: what a text browser, a crawler or a reader gets. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatBytes } from "../../lib/base/units.ts";
import {
  PAGE_ASSETS,
  PAGE_POLICY,
  pageAsset,
  renderPage,
} from "../../lib/gateway/page.ts";
import type {
  PageEntry,
  PageModel,
  PageNode,
} from "../../lib/gateway/page_model.ts";
import {
  fileUrl,
  formatBytes as formatBytesOnPage,
  kindOf,
} from "../../lib/gateway/page/formats.js";
import { BUNDLE, bundleText } from "../page_bundle.ts";

const NASTY = `"><script>alert(1)</script>&'\u202e.txt`;
const ESCAPED =
  "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;\\u{202e}.txt";

function file(name: string, more: Partial<PageEntry> = {}): PageEntry {
  return {
    ...{ name, href: encodeURIComponent(name), isFolder: false, files: 1 },
    ...{ size: 1_234, modifiedMs: 0, nodes: ["id-a"], differs: false },
    ...more,
  };
}

const NODE: PageNode = {
  ...{ id: "id-a", name: "nas", host: "192.0.2.7", port: 1500, files: 2 },
  path: "direct",
  lastSeenMs: 1,
};

function modelOf(more: Partial<PageModel>): PageModel {
  return {
    ...{ kind: "files", base: "", folder: "", entries: [], fileCount: 0 },
    ...{ entryCount: 0, nodes: [], greeting: "", complete: true, ageMs: 0 },
    ...more,
  };
}

Deno.test("The page shows each file as one relative link, with size, time and nodes", () => {
  const html = renderPage(modelOf({
    entries: [
      file("photos", { isFolder: true, files: 12, href: "files/photos/" }),
      file("a b.txt", { href: "files/a%20b.txt" }),
    ],
    nodes: [NODE],
    fileCount: 13,
  }));
  assertStringIncludes(
    html,
    '<tr><td><a href="files/photos/">photos/</a><td><td><td>12 files\n',
  );
  assertStringIncludes(
    html,
    '<tr><td><a href="files/a%20b.txt">a b.txt</a><td title="1234 bytes">' +
      '1.2 KB<td><time datetime="1970-01-01T00:00:00.000Z">' +
      "1970-01-01 00:00</time><td>nas\n",
  );
  assertStringIncludes(html, ">13 files</span>");
  assertStringIncludes(html, "<p>direct, 2 files, 192.0.2.7:1500</p>");
});

Deno.test("The page escapes all text of strangers: names, folders, nodes and errors", () => {
  const error = { status: 502, message: NASTY, tried: [NASTY] };
  for (const kind of ["files", "error", "login", "link"] as const) {
    const html = renderPage(modelOf({
      ...{ kind, error, folder: `${NASTY}/` },
      entries: [file(NASTY)],
      nodes: [{ ...NODE, name: NASTY, error: NASTY }],
      next: NASTY,
    }));
    assertEquals(html.includes("<script>alert"), false, kind);
    assertEquals(html.includes("\u202e"), false, kind);
    assertStringIncludes(html, ESCAPED, kind);
  }
});

Deno.test("The page has no script, style or handler of its own in the HTML, and its policy forbids them", () => {
  for (const kind of ["files", "error", "login", "link"] as const) {
    const html = renderPage(modelOf({ kind, entries: [file("x")] }));
    assertEquals(/<style| style=| on[a-z]+=|javascript:/.test(html), false);
    const scripts = [...html.matchAll(/<script[^>]*>/g)].map(([tag]) => tag);
    assertEquals(scripts.every((tag) => / src="page\//.test(tag)), true);
    for (const [, path] of html.matchAll(/(?:src|href)="page\/([^"]+)"/g)) {
      assert(pageAsset(path!) !== undefined, path);
    }
  }
  assertEquals(/unsafe|\*|https?:|data:/.test(PAGE_POLICY), false);
});

Deno.test("The page marks a file that only one of several nodes has, and one that differs", () => {
  const two = [NODE, { ...NODE, id: "id-b", name: "laptop" }];
  const both = ["id-a", "id-b"];
  const html = renderPage(modelOf({
    nodes: two,
    entries: [
      file("lonely"),
      file("safe", { nodes: both }),
      file("odd", { nodes: both, differs: true }),
    ],
  }));
  assertStringIncludes(html, 'lonely</a> <span class="mark only">only</span>');
  assertStringIncludes(html, "safe</a><td");
  assertStringIncludes(html, 'odd</a> <span class="mark differs">differs');
  const alone = renderPage(modelOf({ nodes: [NODE], entries: [file("x")] }));
  assertStringIncludes(alone, "x</a><td");
});

Deno.test("The page links to the parent folder and the next part, and reports missing nodes", () => {
  const html = renderPage(modelOf({
    ...{ base: "../../../", folder: "photos/2026/", next: "?from=500" },
    complete: false,
    fileCount: 1,
  }));
  assertStringIncludes(html, '<a href="../../../">All files</a>');
  assertStringIncludes(html, '<a href="../">photos</a>');
  assertStringIncludes(html, '<a href="./" aria-current="page">2026</a>');
  assertStringIncludes(html, 'rel="next" href="?from=500"');
  assertStringIncludes(
    html,
    "1 file; some nodes have not listed all of their files",
  );
  assertStringIncludes(html, 'href="../../../page/page.css"');
});

Deno.test("The program contains the current files of the page", async () => {
  const bundle = await Deno.readTextFile(BUNDLE);
  assert(bundle === await bundleText(), "write it with: deno task page");
  const style = await Deno.readTextFile("lib/gateway/page/page.css");
  assertEquals(pageAsset("page.css"), {
    type: "text/css; charset=utf-8",
    body: style,
  });
});

Deno.test("Everything that the page loads is below 150 KB together, and no file is missing", () => {
  const bytes = PAGE_ASSETS.map((path) =>
    new TextEncoder().encode(pageAsset(path)!.body).length
  );
  const html = renderPage(modelOf({})).length;
  const total = bytes.reduce((sum, size) => sum + size, html);
  assert(total < 150_000, `${total} bytes`);
  for (const path of PAGE_ASSETS.filter((path) => path.endsWith(".js"))) {
    const imports = pageAsset(path)!.body.matchAll(/from "\.\/([^"]+)"/g);
    for (const [, name] of imports) {
      assert(pageAsset(name!) !== undefined, `${path} imports ${name}`);
    }
  }
  assertEquals(pageAsset("../page.ts"), undefined);
  assertEquals(pageAsset("constructor"), undefined);
});

Deno.test("The page shows sizes as the terminal does, and can link to any name", () => {
  for (const bytes of [0, 1, 999, 999.6, 1_000, 99_950, 1e6, 1.5e9, 2e15]) {
    assertEquals(formatBytesOnPage(bytes), formatBytes(bytes));
  }
  const root = new URL("http://h/");
  assertEquals(
    fileUrl("a b/100%#?ä.txt", root),
    "http://h/files/a%20b/100%25%23%3F%C3%A4.txt",
  );
  assertEquals(["a.MKV", "b.flac", "c.tar.gz", "README", "d.svg"].map(kindOf), [
    ...["film", "sound", "file", "text", "picture"],
  ]);
});
