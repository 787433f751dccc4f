/**
 * `deno task install`, as on a machine that has nothing but a checkout: what is
 * installed works on when checkout, npm's cache and network are gone.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { VERSION } from "../../lib/base/version.ts";
import { type RoleProcess, ROOT, spawnCommand } from "../e2e/_processes.ts";

/** A proxy that is none: nothing can be fetched. */
const NOWHERE = "http://127.0.0.1:1/";

/** A machine with a checkout, a Deno beside npm's cache, and an empty home. */
class Machine implements AsyncDisposable {
  readonly folder: string;
  readonly home: string;
  readonly #env: Record<string, string>;

  private constructor(folder: string, denoDir: string) {
    this.folder = folder;
    this.home = join(folder, "it's a home");
    this.#env = {
      HOME: this.home,
      PATH: "/usr/bin:/bin",
      NO_COLOR: "1",
      HTTPS_PROXY: NOWHERE,
      DENO_DIR: denoDir,
    };
  }

  static async make(): Promise<Machine> {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json"],
    }).output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
    const folder = await Deno.realPath(await Deno.makeTempDir());
    const machine = new Machine(folder, denoDir);
    await Deno.mkdir(machine.home);
    await Deno.mkdir(join(folder, "npx"));
    await Deno.copyFile(Deno.execPath(), machine.npx);
    await machine.checkOut();
    return machine;
  }

  get npx(): string {
    return join(this.folder, "npx", "deno");
  }

  get checkout(): string {
    return join(this.folder, "checkout");
  }

  get data(): string {
    return join(this.home, ".local/share/relay-p2p");
  }

  get bin(): string {
    return join(this.home, ".local/bin");
  }

  /** Copies the project, without what only tests and documents need. */
  async checkOut(): Promise<void> {
    await Deno.mkdir(this.checkout);
    const parts = ["lib", "types", "packaging", "deno.json", "deno.lock"];
    const scripts = ["relay.ts", "peer_node.ts", "peer_client.ts", "LICENSE"];
    const { code } = await new Deno.Command("cp", {
      args: ["-r", ...[...parts, ...scripts], this.checkout],
      cwd: ROOT,
    }).output();
    assertEquals(code, 0);
  }

  /** Runs the task; resolves to what it said. */
  async install(
    env: Record<string, string> = {},
  ): Promise<{ code: number; text: string }> {
    const { code, stderr } = await new Deno.Command(this.npx, {
      args: ["task", "--quiet", "install"],
      cwd: this.checkout,
      clearEnv: true,
      env: { ...this.#env, ...env },
      stdout: "null",
    }).output();
    return { code, text: new TextDecoder().decode(stderr) };
  }

  /** Starts what was installed, which gets nothing of what installed it. */
  p2p(...args: readonly string[]): RoleProcess {
    const { DENO_DIR: _, ...env } = this.#env;
    const command = join(this.home, ".local/bin/p2p");
    return spawnCommand(
      ["/usr/bin/env", "-u", "DENO_DIR", command, ...args],
      { cwd: this.home, env },
    );
  }

  async apps(): Promise<string[]> {
    const entries = await Array.fromAsync(Deno.readDir(this.data));
    return entries.map(({ name }) => name)
      .filter((name) => name.startsWith("app-"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.folder, { recursive: true });
  }
}

/** Waits for the end, and expects it to be a good one. */
async function done(run: RoleProcess): Promise<string> {
  await using ended = run;
  const code = await ended.exitCode;
  await ended.stdout.ended;
  assertEquals(code, 0, ended.stderr.all.join("\n"));
  return ended.stdout.all.join("\n");
}

/** Installs, and expects that to work; resolves to what it said. */
async function installed(machine: Machine): Promise<string> {
  const { code, text } = await machine.install();
  assertEquals(code, 0, text);
  return text;
}

Deno.test("What deno task install has installed works without checkout, npm's cache and network", async () => {
  await using machine = await Machine.make();
  const text = await installed(machine);
  assertMatch(text, /is not in your PATH; add this line/);
  await Deno.remove(machine.checkout, { recursive: true });
  await Deno.remove(join(machine.folder, "npx"), { recursive: true });

  assertMatch(await done(machine.p2p("--version")), new RegExp(VERSION));
  await Deno.mkdir(join(machine.home, "my files"));
  await Deno.mkdir(join(machine.home, "new folder"));
  const content = "from one machine to the other\n";
  await Deno.writeTextFile(join(machine.home, "my files/a.txt"), content);
  await using relay = machine.p2p("relay", "--host", "127.0.0.1", "0");
  const [, port = "", id = ""] = await relay.stdout.until(
    /^relay address p2p:\/\/127\.0\.0\.1:(\d+)\/(\w+)$/,
  );
  const used = await done(machine.p2p("use", "127.0.0.1", port));
  assertEquals(used, `relay p2p://127.0.0.1:${port}/${id}`);
  await using node = machine.p2p("share", "my files");
  await node.stdout.until(/^registered with /);
  await done(machine.p2p("get", "a.txt", "-o", "new folder/"));
  const saved = await Deno.readTextFile(join(machine.home, "new folder/a.txt"));
  assertEquals(saved, content);

  // The relay keeps its identity.
  relay.signal("SIGTERM");
  assertEquals(await relay.exitCode, 0);
  await using again = machine.p2p("relay", "--host", "127.0.0.1", "0");
  assertEquals((await again.stdout.until(/^relay id (\w+)$/))[1], id);
});

Deno.test("Two installations at once end one after the other, and the program of the first stays", async () => {
  await using machine = await Machine.make();
  const texts = await Promise.all([installed(machine), installed(machine)]);
  assertEquals(texts.length, 2);
  assertEquals((await machine.apps()).length, 2);
  assertMatch(await done(machine.p2p("--version")), new RegExp(VERSION));
  const bin = await Array.fromAsync(Deno.readDir(machine.bin));
  assertEquals(bin.map(({ name }) => name), ["p2p"]);
});

Deno.test("Installing again replaces the program at once, and keeps the old one if it fails", async () => {
  await using machine = await Machine.make();
  await installed(machine);
  const [first] = await machine.apps();
  // What an installation leaves that is killed on its way.
  await Deno.mkdir(join(machine.data, "app-0.0.0-interrupted"));
  await Deno.writeTextFile(join(machine.bin, ".p2p.new"), "#!/bin/sh\nec");

  // An empty cache and no network: it fails on the way.
  const failed = await machine.install({
    DENO_DIR: join(machine.folder, "empty"),
  });
  assert(failed.code !== 0);
  assertEquals((await machine.apps()).length, 2);
  assertMatch(await done(machine.p2p("--version")), new RegExp(VERSION));

  await installed(machine);
  const now = await machine.apps();
  assertEquals(now.length, 2, "the new one, and the one before");
  assert(now.includes(first!));
  const bin = await Array.fromAsync(Deno.readDir(machine.bin));
  assertEquals(bin.map(({ name }) => name), ["p2p"]);
  assertMatch(await done(machine.p2p("--version")), new RegExp(VERSION));
});
