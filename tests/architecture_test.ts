/**
 * The rooms and the arrows between them, as docs/ARCHITECTURE.md draws them.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { LIMITS } from "../lib/base/limits.ts";
import { VERSION } from "../lib/base/version.ts";
import {
  codeOf,
  floorPlan,
  importsOf,
  modulesBelow,
  PICTURE,
  read,
  roomOf,
  roomsIn,
  ROOT,
  SCRIPTS,
} from "./_rooms.ts";

const LIBRARY = modulesBelow("lib");
const MODULES = [...LIBRARY, ...SCRIPTS];
const DOCUMENT = read("docs/ARCHITECTURE.md");
const ROOMS = roomsIn(DOCUMENT);

/** Every file that the document may name. */
const PATHS = [
  ...MODULES,
  ...["tests", "types"].flatMap(modulesBelow),
  ...["README.md", "CHANGELOG.md", "deno.json", "deno.lock"],
  ...[...Deno.readDirSync(join(ROOT, "docs"))].map(({ name }) =>
    `docs/${name}`
  ),
];

/**
 * Paths between backticks that lead to no file or folder. A path begins at the
 * project or at `lib/`; in the entry of a room a bare name is a module of it.
 */
function deadPathsOf(document: string): string[] {
  const lines = document.replaceAll(/```[^`]*```/g, "").split("\n");
  let room = "";
  return lines.flatMap((line) => {
    const entry = /^- \*\*`([^`]+)`\*\*/.exec(line)?.[1];
    if (entry !== undefined) room = entry;
    else if (!line.startsWith("  ")) room = "";
    const places = ["", "lib/", ...room.endsWith("/") ? [`lib/${room}`] : []];
    const named = line.matchAll(
      /`([\w.-]+(?:\/[\w.-]+)*(?:\.(?:ts|md|json|lock)|\/))`/g,
    );
    return [...named].map(([, path]) => path!).filter((path) =>
      !places.some((place) => isThere(place + path))
    );
  });
}

function isThere(path: string): boolean {
  return PATHS.some((file) =>
    path.endsWith("/") ? file.startsWith(path) : file === path
  );
}

function rowOf(path: string): number {
  return ROOMS.indexOf(roomOf(path));
}

Deno.test("docs/ARCHITECTURE.md has one row for each room, and no other rows", () => {
  assertEquals(MODULES.filter((path) => rowOf(path) < 0), []);
  const rooms = new Set(MODULES.map(roomOf));
  assertEquals(ROOMS.filter((room) => !rooms.has(room)), []);
  assertEquals(new Set(ROOMS).size, ROOMS.length);
});

Deno.test("lib/ holds mod.ts and rooms, and lib/cli/ holds rooms alone", () => {
  const loose = LIBRARY.filter((path) => /^lib\/(cli\/)?[^/]+$/.test(path));
  assertEquals(loose, ["lib/mod.ts"]);
});

Deno.test("Every path that docs/ARCHITECTURE.md gives in backticks exists", () => {
  assertEquals(deadPathsOf(DOCUMENT), []);
  const moved = DOCUMENT.replaceAll("plan.ts", "planning.ts");
  assertEquals(new Set(deadPathsOf(moved)).size, 2, "in its room, and outside");
});

Deno.test("The picture of the rooms in docs/ARCHITECTURE.md matches the imports", () => {
  const drawn = PICTURE.exec(DOCUMENT)?.[0];
  assertEquals(drawn, floorPlan(MODULES), "write it with: deno task reference");
});

for (const path of MODULES) {
  Deno.test(`${path} imports only from its own room and those below`, () => {
    const wrong = importsOf(path)
      .filter((imported) => MODULES.includes(imported))
      .filter((imported) =>
        roomOf(imported) !== roomOf(path) && rowOf(imported) <= rowOf(path)
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
  "client/kept_nodes",
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
  "base/address",
  "base/clock_gaps",
  "base/html",
  "base/names",
  "base/rate",
  "base/text",
  "cluster/instances",
  "cluster/outbox",
  "cluster/phase_lines",
  "cluster/redis_address",
  "cluster/sealing",
  "base/units",
  "cli/commands/words",
  "cli/output/width",
  "cli/picker/fuzzy",
  "cli/picker/keys",
  "cli/picker/search",
  "cli/picker/state",
  "client/pattern_lists",
  "client/run_names",
  "content/choice",
  "content/fingerprint_counts",
  "content/fingerprints",
  "content/glob",
  "content/manifest",
  "content/natural_order",
  "content/nearest",
  "content/piece_set",
  "content/section",
  "content/zeros",
  "gateway/file_index",
  "gateway/guard",
  "gateway/page_model",
  "gateway/page_assets",
  "gateway/page_bundle",
  "gateway/page_symbols",
  "gateway/recent",
  "guard/admission",
  "guard/counts",
  "guard/eviction",
  "guard/handshake_order",
  "guard/places",
  "guard/refusals",
  "http/answer",
  "http/content_types",
  "http/disposition",
  "http/ranges",
  "http/request",
  "node/addresses",
  "node/readers",
  "node/work_ledger",
  "ops/exposition",
  "ops/metrics",
  "ops/plot",
  "ops/samples",
  "ops/status_page",
  "ops/status_parts",
  "ops/status_style",
  "protocol/bulk",
  "protocol/frame",
  "protocol/message_schemas",
  "relay/holders",
  "relay/indexed_nodes",
  "relay/cluster_side",
  "relay/withdrawn_nodes",
  "relay/lease",
  "relay/lease_table",
  "relay/hot_answers",
  "relay/listing_order",
  "relay/name_index",
  "relay/packing",
  "relay/pair_block",
  "relay/registry",
  "relay/renewal_tokens",
  "relay/replicas",
  "relay/rendezvous",
  "relay/idle_connections",
  "share/digest_index",
  "share/digesting",
  "share/file_table",
  "share/index_marks",
  "share/hash_queue",
  "share/own_secrets",
  "share/row_hash",
  "share/shared_file",
  "share/skipped",
  "share/sorted_rows",
  "swarm/swarm_connections",
  "transfer/holder_queues",
  "transfer/index_queue",
  "transfer/pace",
  "transfer/permutation",
  "transfer/pieces",
  "transfer/plan",
  "transfer/plan_state",
  "transfer/rarest_pieces",
  "transfer/swarm_window",
  "transfer/take_over",
];

for (const name of PURE) {
  Deno.test(`${name} is pure: no timers, clocks, randomness, sockets or files`, () => {
    const impure =
      /\b(setTimeout|setInterval|Date\.now|new Date|performance\.now|Math\.random|getRandomValues|Deno\.)/;
    const found = impure.exec(codeOf(`lib/${name}.ts`))?.[0];
    assertEquals(found, undefined);
  });
}

const MOST_LINES = 450;
Deno.test("No module is longer than 450 lines", () => {
  const long = ["lib", "packaging", "tests"].flatMap(modulesBelow)
    .filter((path) => read(path).split("\n").length - 1 > MOST_LINES);
  assertEquals(long, [], "split these");
});

const MOST_FUNCTION_LINES = 60;
// Workers get the text of these, so they use nothing outside of themselves. The
// functions in them are as short as all others.
const WORKER_BODIES = [
  "lib/disk/saver_code.ts makeSaver",
  "lib/transfer/lane_code.ts runLane",
  "lib/transfer/lane_conn_code.ts runLaneConns",
];

/** The functions of a module: name, or text of the first line, and lines. */
function functionsOf(path: string): { name: string; lineCount: number }[] {
  const source = read(path);
  const found: { name: string; lineCount: number }[] = [];
  const add = (node: Deno.lint.Node & { id?: { name: string } | null }) => {
    const text = source.slice(...node.range);
    const lines = text.split("\n");
    found.push({ name: node.id?.name ?? lines[0]!, lineCount: lines.length });
  };
  const plugin: Deno.lint.Plugin = {
    name: "lengths",
    rules: {
      functions: {
        create: () => ({
          FunctionDeclaration: add,
          FunctionExpression: add,
          ArrowFunctionExpression: add,
        }),
      },
    },
  };
  Deno.lint.runPlugin(plugin, path, source);
  return found;
}

Deno.test("No function is longer than 60 lines, except the bodies of three workers", () => {
  const paths = [...MODULES, ...["packaging", "tests"].flatMap(modulesBelow)];
  const long = paths.flatMap((path) =>
    functionsOf(path)
      .filter(({ lineCount }) => lineCount > MOST_FUNCTION_LINES)
      .map(({ name }) => `${path} ${name}`)
  );
  assertEquals(long, WORKER_BODIES, "split these, by meaning");
});

Deno.test("Only terminal output writes to stdout and stderr", () => {
  const printing = LIBRARY.filter((path) =>
    /\bconsole\.|Deno\.(stdout|stderr)\.write|prompt\(|alert\(/.test(
      codeOf(path),
    )
  );
  assertEquals(printing.filter((path) => !path.startsWith("lib/cli/")), []);
});

Deno.test("Nothing below cli/ names an option, a command or a script of the command line", () => {
  // Deno's own flags belong to whatever runs in Deno.
  const named = /--(?!allow-)[a-z]|(?<=[\s"`])-o\b|the command [a-z]/;
  // A decrement, and variables of a style sheet.
  const other = /if \(--|var\(--|^ +--[a-z]+:/gm;
  const reported = LIBRARY.filter((path) => !path.startsWith("lib/cli/"))
    .map((path) => [path, codeOf(path).replaceAll(other, "")] as const)
    .filter(([, code]) => named.test(code))
    .map(([path]) => path);
  assertEquals(reported, []);
});

Deno.test("Every dependency is pinned, used, and explained", () => {
  const { imports } = JSON.parse(read("deno.json")) as {
    imports: Record<string, string>;
  };
  const code = [
    ...[...MODULES, ...modulesBelow("packaging")],
    ...modulesBelow("tests"),
  ].flatMap(importsOf);
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

Deno.test("Each module of deno-std in use has a row that says what of it was compared, and nothing turns the lock off", () => {
  const { imports, lock } = JSON.parse(read("deno.json")) as {
    imports: Record<string, string>;
    lock: unknown;
  };
  assertEquals(lock, { path: "deno.lock", frozen: true });
  const [, table = ""] = /^\| module +\| what was compared([^]*?)\n\n/m
    .exec(DOCUMENT) ?? [];
  const modules = Object.entries(imports)
    .filter(([, target]) => target.startsWith("npm:deno-std@"))
    .map(([, target]) => target.split("/").slice(1).join("/"))
    .map((path) => path.replace(/\.js$/, "").replace(/\/mod$/, ""));
  const unnamed = modules.filter((module) =>
    !table.includes(`\`${module}\``) && !table.includes(`\`${module}/mod\``)
  );
  assertEquals(unnamed, []);
  const documents = PATHS.filter((path) => path.endsWith(".md"));
  const unlocked = [...documents, ".ci/run", "deno.json"].filter((path) =>
    /--frozen=false|--no-lock/.test(read(path))
  );
  assertEquals(unlocked, []);
});

Deno.test("The version is the same everywhere", () => {
  assertEquals(JSON.parse(read("deno.json")).version, VERSION);
  assertEquals(read("CHANGELOG.md").includes(`## ${VERSION}`), true);
});

Deno.test("Every limit is used somewhere", () => {
  const code = LIBRARY.filter((path) =>
    !/\blimits\.ts$|_limits\.ts$/.test(path)
  )
    .map(codeOf).join();
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
    ...[...Deno.readDirSync(join(ROOT, "docs"))].map(({ name }) =>
      `docs/${name}`
    ),
  ];
  for (const path of files) {
    assertEquals(
      /registry\.npmjs|jsr\.io|\/work\/|\/root\//.test(read(path)),
      false,
      path,
    );
  }
});
