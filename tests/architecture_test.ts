/**
 * The arrows between modules, as docs/ARCHITECTURE.md draws them.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../lib/limits.ts";
import { VERSION } from "../lib/version.ts";

const ROOT = new URL("..", import.meta.url).pathname;

function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** Paths of the modules below `folder`, relative to the project. */
function modulesBelow(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory) return modulesBelow(path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

const SCRIPTS = ["relay.ts", "peer_node.ts", "peer_client.ts"];
const LIBRARY = modulesBelow("lib");
const MODULES = [...LIBRARY, ...SCRIPTS];

const ROWS = /```arrows\n([^`]+)```/.exec(read("docs/ARCHITECTURE.md"))![1]!
  .trim().split("\n").map((line) => line.split(" "));

/** The name by which the rows call a module: a folder stands for what is in it. */
function placeOf(path: string): string {
  const name = path.replace(/^lib\//, "").replace(/\.ts$/, "");
  return name.includes("/") ? name.slice(0, name.indexOf("/") + 1) : name;
}

function rowOf(path: string): number {
  // The scripts and the modules of cli/ have the same names.
  const place = placeOf(path);
  return ROWS.findIndex((row, index) =>
    row.includes(place) &&
    (index === ROWS.length - 1) === SCRIPTS.includes(path)
  );
}

/** Code without comments, so that examples in them do not count. */
function codeOf(path: string): string {
  return read(path).replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(
    /^\s*\/\/.*$/gm,
    "",
  );
}

/** What a module imports, static or dynamic, as paths or bare names. */
function importsOf(path: string): string[] {
  const found = codeOf(path).matchAll(
    /(?:\bfrom\s+|\bimport\s+|\bimport\()"([^"]+)"/g,
  );
  return [...found].map(([, specifier = ""]) =>
    specifier.startsWith(".") ? join(path, "..", specifier) : specifier
  );
}

Deno.test("docs/ARCHITECTURE.md gives every module one row, and names no other", () => {
  assertEquals(MODULES.filter((path) => rowOf(path) < 0), []);
  const places = new Set(MODULES.map(placeOf));
  assertEquals(ROWS.flat().filter((place) => !places.has(place)), []);
});

for (const path of MODULES) {
  Deno.test(`${path} imports only from rows above its own`, () => {
    const wrong = importsOf(path)
      .filter((imported) => MODULES.includes(imported))
      .filter((imported) =>
        rowOf(imported) >= rowOf(path) &&
        !(placeOf(imported).endsWith("/") &&
          placeOf(imported) === placeOf(path))
      );
    assertEquals(wrong, []);
  });
}

Deno.test("No module imports itself through others", () => {
  const cleared = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail, path];
    if (cleared.has(path)) return [];
    const cycle = importsOf(path)
      .filter((imported) => MODULES.includes(imported))
      .flatMap((imported) => visit(imported, [...trail, path]));
    cleared.add(path);
    return cycle;
  };
  for (const script of SCRIPTS) assertEquals(visit(script, []), []);
});

Deno.test("Only transport opens sockets", () => {
  const socket =
    /Deno\.(connect|connectTls|startTls|listen|listenTls|listenDatagram)\b|"node:(net|tls|http|https|dgram)"/;
  const opening = MODULES.filter((path) => socket.test(codeOf(path)));
  assertEquals(
    opening.filter((path) => !path.startsWith("lib/transport/")),
    [],
  );
  assertEquals(opening.length > 0, true);
});

const PURE = [
  "counts",
  "exposition",
  "metrics",
  "access/attempts",
  "access/grant",
  "access/keys",
  "access/link",
  "access/node_access",
  "access/pass",
  "access/refusal",
  "access/relay_access",
  "access/secret",
  "access/token",
  "access/uses",
  "admission",
  "frame",
  "manifest",
  "hash_queue",
  "names",
  "own_secrets",
  "refusals",
  "registry",
  "lease",
  "relay/stays",
  "plan",
  "pace",
  "pieces",
  "index_queue",
  "rate",
  "choice",
  "glob",
  "packing",
  "rendezvous",
  "walk",
  "work_ledger",
  "text",
  "address",
  "cli/fuzzy",
  "cli/keys",
  "cli/picker",
  "cli/search",
  "cli/width",
  "share_file",
  "digest_index",
  "file_table",
  "row_hash",
  "skipped",
  "sorted_rows",
];

for (const name of PURE) {
  Deno.test(`${name} is pure: no timers, clocks, randomness, sockets or files`, () => {
    const impure =
      /\b(setTimeout|setInterval|Date\.now|new Date|performance\.now|Math\.random|getRandomValues|Deno\.)/;
    const found = impure.exec(codeOf(`lib/${name}.ts`))?.[0];
    assertEquals(found, undefined);
  });
}

Deno.test("Only terminal output writes to stdout and stderr", () => {
  const printing = LIBRARY.filter((path) =>
    /\bconsole\.|Deno\.(stdout|stderr)\.write|prompt\(|alert\(/.test(
      codeOf(path),
    )
  );
  assertEquals(printing.filter((path) => !path.startsWith("lib/cli/")), []);
});

Deno.test("The library that makes certificates is loaded only where one is made", () => {
  const users = MODULES.filter((path) =>
    importsOf(path).includes("@peculiar/x509")
  );
  assertEquals(users, ["lib/certificate.ts"]);
  const loaders = MODULES.filter((path) =>
    importsOf(path).includes("lib/certificate.ts")
  );
  assertEquals(loaders, ["lib/identity.ts"]);
  assertEquals(
    /^import .*certificate\.ts/m.test(codeOf("lib/identity.ts")),
    false,
  );
});

Deno.test("Every dependency is pinned, used, and explained", () => {
  const { imports } = JSON.parse(read("deno.json")) as {
    imports: Record<string, string>;
  };
  const code = [...MODULES, ...modulesBelow("tests")].flatMap(importsOf);
  const document = read("docs/ARCHITECTURE.md");
  for (const [name, target] of Object.entries(imports)) {
    assertEquals(
      /^npm:(@[^/]+\/)?[^@/]+@\d+\.\d+\.\d+(\/|$)/.test(target),
      true,
      target,
    );
    assertEquals(code.includes(name), true, `${name} is used`);
    const explained = name.startsWith("@std/")
      ? "@std/*"
      : name.split("/").slice(0, 2).join("/");
    assertEquals(
      document.includes(explained),
      true,
      `${explained} is explained`,
    );
  }
});

Deno.test("The version is the same everywhere", () => {
  assertEquals(JSON.parse(read("deno.json")).version, VERSION);
  assertEquals(read("CHANGELOG.md").includes(`## ${VERSION}`), true);
});

Deno.test("Every limit is used somewhere", () => {
  const code = LIBRARY.filter((path) => path !== "lib/limits.ts").map(codeOf)
    .join();
  const unused = Object.keys(LIMITS).filter((name) =>
    !new RegExp(`\\b${name}\\b`).test(code)
  );
  assertEquals(unused, []);
});

Deno.test("Nothing of this machine goes into the project", () => {
  const files = [
    ...MODULES,
    "deno.json",
    "deno.lock",
    "README.md",
    "CHANGELOG.md",
  ];
  for (const path of files) {
    assertEquals(
      /registry\.npmjs|jsr\.io|\/work\/|\/root\//.test(read(path)),
      false,
      path,
    );
  }
});
