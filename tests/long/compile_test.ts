/**
 * What the programs consist of: each runs from a folder with the files of its
 * module graph and nothing else; it installs, it is published whole, and what
 * `deno task compile` says of it is true.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { VERSION } from "../../lib/base/version.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";
import { Lines, ROOT } from "../e2e/_processes.ts";

const SCRIPTS = ["relay.ts", "peer_node.ts", "peer_client.ts"];

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: options.cwd ?? ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(300_000),
  });
  const { code, stdout, stderr } = await child.output();
  const [out = "", words = ""] = [stdout, stderr]
    .map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out, stderr: words };
}

const deno = (args: readonly string[], options = {}) =>
  run(Deno.execPath(), args, options);

interface Package {
  readonly name: string;
  readonly version: string;
  readonly registryUrl: string;
  readonly dependencies: readonly string[];
}

interface Graph {
  readonly modules: readonly {
    specifier: string;
    npmPackage?: string;
    error?: string;
  }[];
  readonly npmPackages: Readonly<Record<string, Package>>;
}

/** The packages that a graph comes to, those of others not among them. */
function packagesOf({ modules, npmPackages }: Graph): Package[] {
  const reached = new Set<string>();
  const visit = (key: string) => {
    if (reached.has(key)) return;
    reached.add(key);
    npmPackages[key]!.dependencies.forEach(visit);
  };
  for (const { npmPackage } of modules) {
    if (npmPackage !== undefined) visit(npmPackage);
  }
  return [...reached].map((key) => npmPackages[key]!);
}

/** A folder with the files of a graph, and a cache with its packages. */
async function copyGraph(script: string, to: string): Promise<Graph> {
  const { stdout } = await deno(["info", "--json", script]);
  const graph = JSON.parse(stdout) as Graph;
  const cache = JSON.parse((await deno(["info", "--json"])).stdout) as {
    npmCache: string;
  };
  const files = graph.modules.map(({ specifier }) => specifier)
    .filter((specifier) => specifier.startsWith("file:"))
    .map((specifier) => relative(ROOT, fromFileUrl(specifier)));
  for (const file of [...files, "deno.json", "deno.lock"]) {
    await Deno.mkdir(dirname(join(to, "app", file)), { recursive: true });
    await Deno.copyFile(join(ROOT, file), join(to, "app", file));
  }
  // All that the lock file names: Deno wants them there, used or not. What it
  // knows of them is in the lock file: a cache that is new has no more.
  const packages = Object.values(graph.npmPackages);
  for (const { name, version, registryUrl } of packages) {
    const { host } = new URL(registryUrl);
    const place = join(host, name, version);
    await copyFolder(
      join(cache.npmCache, place),
      join(to, "cache", "npm", place),
    );
  }
  return graph;
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // ended already
  }
}

Deno.test("Each program runs from the files of its module graph, and needs no other", async () => {
  await using folder = await tempShare({ "shared/a.txt": "whole\n" });
  const running: { child: Deno.ChildProcess; stdout: Lines }[] = [];
  const spawn = (script: string, args: readonly string[]) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", "--cached-only", "--allow-net"],
        ...["--allow-read=../../shared", script, ...args],
      ],
      cwd: join(folder.path, script, "app"),
      env: {
        NO_COLOR: "1",
        DENO_DIR: join(folder.path, script, "cache"),
        HTTPS_PROXY: "http://127.0.0.1:1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const process = { child, stdout: new Lines(child.stdout) };
    running.push(process);
    return process;
  };
  try {
    for (const script of SCRIPTS) {
      const graph = await copyGraph(script, join(folder.path, script));
      assertEquals(graph.modules.filter(({ error }) => error), []);
      const names = packagesOf(graph).map(({ name }) => name);
      assert(names.includes("@sinclair/typebox"), names.join());
      assertEquals(names.includes("fast-check"), false); // for tests alone
    }
    const relay = spawn("relay.ts", ["--host", "127.0.0.1", "0"]);
    const [, address = ""] = await relay.stdout.until(/^relay address (.*)$/);
    const node = spawn("peer_node.ts", [
      ...["--host", "127.0.0.1", address, "0", "../../shared"],
    ]);
    await node.stdout.until(/^registered/);
    const client = spawn("peer_client.ts", [address, "cat", "a.txt"]);
    const { code } = await within(client.child.status, "the client's end");
    await client.stdout.ended;
    assertEquals([code, client.stdout.all], [0, ["whole"]]);
  } finally {
    for (const { child } of running) kill(child);
    for (const { child, stdout } of running) {
      await child.status;
      await stdout.ended;
    }
  }
});

Deno.test("The commands of docs/OPERATIONS.md run from anywhere, with the packages of the lock file", async () => {
  await using home = await tempShare();
  const text = await Deno.readTextFile(join(ROOT, "docs/OPERATIONS.md"));
  const [, lines = ""] = /```sh\n(mkdir -p ~[^`]+)```/.exec(text) ?? [];
  const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;
  const env = { HOME: home.path, PATH, DENO_DIR: await denoDir() };
  const made = await run("sh", ["-ec", lines], { env });
  assertEquals([made.code, made.stderr], [0, ""]);
  for (const script of SCRIPTS) {
    const name = `relay-p2p-${script.replace(".ts", "")}`;
    const at = { cwd: home.path, env: { ...env, RELAY_P2P_QUIET: "maybe" } };
    const command = join(home.path, ".local/bin", name);
    const { stdout } = await run(command, ["--version"], { ...at, env });
    assertEquals(stdout, `relay-p2p ${VERSION}, protocol 1\n`);
    // It may read the variables that our errors recommend.
    const { stderr } = await run(command, ["--version"], at);
    assertMatch(stderr, /Cannot use RELAY_P2P_QUIET \(maybe\)/);
  }
});

async function denoDir(): Promise<string> {
  const { stdout } = await deno(["info", "--json"]);
  return (JSON.parse(stdout) as { denoDir: string }).denoDir;
}

Deno.test("The library is imported from another folder by both ways that the README gives", async () => {
  await using folder = await tempShare({
    "main.ts":
      `import { show } from "${ROOT}lib/mod.ts";\nconsole.log(show("a\x1b"));\n`,
  });
  const options = { cwd: folder.path };
  const config = join(ROOT, "deno.json");
  const byFlag = await deno(["run", "--config", config, "main.ts"], options);
  assertEquals([byFlag.code, byFlag.stdout], [0, "a\\x1b\n"]);
  await Deno.writeTextFile(
    join(folder.path, "deno.json"),
    JSON.stringify({ importMap: config }),
  );
  const byMap = await deno(["run", "main.ts"], options);
  assertEquals([byMap.code, byMap.stdout], [0, "a\\x1b\n"]);
});

Deno.test("deno publish finds nothing wrong, and includes no tests", async () => {
  const { code, stderr } = await deno([
    ...["publish", "--dry-run", "--allow-dirty"],
  ]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /\/lib\/mod\.ts \(/);
  assertEquals(/\/(tests|packaging|\.ci)\//.test(stderr), false, stderr);
});

/** Runs `deno task compile` in a folder of its own. */
async function compile(
  args: readonly string[],
  env: Record<string, string>,
): Promise<
  Outcome & { sums: string | null; built: string[] } & AsyncDisposable
> {
  const folder = await tempShare();
  const outcome = await deno([
    ...["run", "--allow-read", "--allow-write", "--allow-run"],
    ...["--allow-env=DENORT_BIN", join(ROOT, "packaging/compile.ts"), ...args],
  ], { cwd: folder.path, env });
  const dist = join(folder.path, "dist");
  const sums = await Deno.readTextFile(join(dist, "SHA256SUMS"))
    .catch(() => null);
  const built: string[] = [];
  for (const [, name = ""] of (sums ?? "").matchAll(/^\w{64} {2}(.*)$/gm)) {
    built.push(name);
    const bytes = await Deno.readFile(join(dist, name));
    const hash = await crypto.subtle.digest("SHA-256", bytes);
    assert(sums!.includes(`${new Uint8Array(hash).toHex()}  ${name}\n`), name);
  }
  return {
    ...outcome,
    sums,
    built,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("deno task compile reports for each target that its runtime is not available, with exit 69", async () => {
  await using cache = await tempShare();
  const npm = JSON.parse((await deno(["info", "--json"])).stdout).npmCache;
  await Deno.symlink(npm, join(cache.path, "npm"));
  // Where no runtime was downloaded before, and none can be.
  await using outcome = await compile([], {
    DENO_DIR: cache.path,
    HTTPS_PROXY: "http://127.0.0.1:1",
  });
  assertEquals(outcome.code, 69, outcome.stderr);
  const lines = outcome.stderr.trimEnd().split("\n");
  assertEquals(lines.length, 5);
  for (const line of lines) {
    assertMatch(
      line,
      /^[\w-]+: not built: its runtime .* cannot be downloaded/,
    );
  }
  assertEquals(outcome.sums, null);
});

Deno.test("deno task compile refuses a runtime that makes wrong programs", async () => {
  await using outcome = await compile([], { DENORT_BIN: Deno.execPath() });
  assertEquals(outcome.code, 69, outcome.stderr);
  assertMatch(outcome.stderr, /^[\w-]+: not built: .*is no denort\n$/);
  assertEquals(outcome.sums, null);
});

// Linux executables are appended to, so that any will do; it is not tried out.
const [OTHER, ...RUNNABLE] = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
].toSorted((a) => a === Deno.build.target ? 1 : -1);

Deno.test({
  name:
    "deno task compile builds for the target of the runtime that is given, with sums",
  ignore: RUNNABLE[0] !== Deno.build.target,
  fn: async () => {
    await using outcome = await compile([OTHER!], {
      DENORT_BIN: Deno.execPath(),
    });
    assertEquals(outcome.code, 0, outcome.stderr);
    assertEquals(outcome.stderr, `${OTHER}: built 3 programs\n`);
    assertEquals(outcome.built, [
      `${OTHER}/relay-p2p-relay`,
      `${OTHER}/relay-p2p-node`,
      `${OTHER}/relay-p2p-client`,
    ]);
  },
});

Deno.test("deno task compile refuses targets it does not know, and one runtime for several", async () => {
  await using unknown = await compile(["plan9"], {});
  assertEquals(unknown.code, 2);
  assertMatch(unknown.stderr, /^error: no such target: plan9; targets are:\n/);
  await using several = await compile([
    ...["x86_64-apple-darwin", "aarch64-apple-darwin"],
  ], { DENORT_BIN: Deno.execPath() });
  assertEquals(several.code, 2);
});
