/**
 * The commands of `p2p` that start no role: clean, update, uninstall, help,
 * completions.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { VERSION } from "../../lib/base/version.ts";
import { commandNames } from "../../lib/cli/options/command_table.ts";
import {
  lockInstalling,
  removeOthers,
} from "../../packaging/p2p/app_folders.ts";
import { shimText } from "../../packaging/p2p/shim.ts";
import { P2P } from "../../packaging/p2p/tables.ts";
import { within } from "../_event_log.ts";
import { runRoleHere } from "../_here.ts";
import { replaced } from "../_replaced.ts";
import { tempShare } from "../_temp_share.ts";
import { testWith } from "../_tools.ts";
import { spawnCommand } from "../e2e/_processes.ts";

/** The names in a folder, sorted. */
async function namesIn(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map(({ name }) => name).toSorted();
}

Deno.test("p2p clean lists partial files of get, and removes them with --yes, except those in use", async () => {
  await using folder = await tempShare({
    "whole.txt": "whole",
    ".a.txt.p2p-part": "half",
    "sub/.b.txt.p2p-part": "a quarter",
    "sub/.c.txt.p2p-part": "now",
    "d.p2p-part": "a file of the person's own",
  });
  const { path } = folder;
  await Deno.symlink(path, join(path, "around"));
  await Deno.symlink(join(path, "whole.txt"), join(path, ".e.p2p-part"));
  using busy = await Deno.open(join(path, "sub/.c.txt.p2p-part"));
  await busy.lock(true);
  const listed = await runRoleHere("p2p", ["clean", path]);
  assertEquals(listed.code, 0);
  assertEquals(
    listed.text.trimEnd().split("\n").map((row) => row.trim().split(/ {2,}/)),
    await Promise.all([
      ["4 bytes", ".a.txt.p2p-part", ""],
      ["9 bytes", "sub/.b.txt.p2p-part", ""],
      ["3 bytes", "sub/.c.txt.p2p-part", "in use"],
    ].map(async ([bytes, name, use]) => {
      const file = join(path, name!);
      const { mtime } = await Deno.stat(file);
      const day = mtime!.toISOString().slice(0, 10);
      return [bytes!, day, ...(use === "" ? [] : [use!]), file];
    })),
  );
  assertEquals(listed.stderr, ["remove them with --yes"]);
  await Deno.stat(join(path, ".a.txt.p2p-part"));

  const removed = await runRoleHere("p2p", ["clean", path, "--yes"]);
  assertEquals(removed.stderr, ["removed 2 partial files"]);
  const left = await namesIn(path);
  assertEquals(left, [
    ".e.p2p-part",
    "around",
    "d.p2p-part",
    "sub",
    "whole.txt",
  ]);
  assertEquals(await namesIn(join(path, "sub")), [".c.txt.p2p-part"]);
  assertEquals((await runRoleHere("p2p", ["clean", join(path, "no")])).code, 8);
});

for (const [when, opening] of [["listed", 1], ["removed", 2]] as const) {
  Deno.test({
    name:
      `p2p clean does not wait for a pipe that takes the place of a partial file while it is ${when}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using folder = await tempShare({
        ".a.p2p-part": "swapped",
        ".b.p2p-part": "mine",
      });
      const path = join(folder.path, ".a.p2p-part");
      let count = 0;
      using _open = replaced(
        Deno,
        "open",
        (open) => async (opened, options) => {
          if (opened === path && ++count === opening) {
            await Deno.remove(path);
            await new Deno.Command("mkfifo", { args: [path] }).output();
          }
          return await open(opened, options);
        },
      );
      const { code, stderr } = await within(
        runRoleHere("p2p", ["clean", folder.path, "--yes"]),
        "the end",
      );
      assertEquals(code, 0, stderr.join("\n"));
      assertEquals(count, opening);
      assertEquals(await namesIn(folder.path), [".a.p2p-part"]);
      assert((await Deno.lstat(path)).isFifo);
    },
  });
}

Deno.test("p2p clean continues after files that it may not open or remove, names them, and exits with 8", async () => {
  await using folder = await tempShare({
    ".a.p2p-part": "theirs",
    ".b.p2p-part": "mine",
    ".c.p2p-part": "theirs too",
    ".d.p2p-part": "also mine",
  });
  const at = (name: string) => join(folder.path, `.${name}.p2p-part`);
  const denied = (reason: string) => new Deno.errors.PermissionDenied(reason);
  using _open = replaced(
    Deno,
    "open",
    (open) => (path, options) =>
      path === at("a") ? Promise.reject(denied("open")) : open(path, options),
  );
  using _remove = replaced(
    Deno,
    "remove",
    (remove) => (path, options) =>
      path === at("c")
        ? Promise.reject(denied("remove"))
        : remove(path, options),
  );
  const listed = await runRoleHere("p2p", ["clean", folder.path]);
  assertEquals(listed.code, 0, listed.stderr.join("\n"));
  assertEquals(listed.text.trimEnd().split("\n").length, 4);
  const { code, text, stderr } = await runRoleHere("p2p", [
    ...["clean", folder.path, "--yes", "--json"],
  ]);
  assertEquals(code, 8, stderr.join("\n"));
  assertEquals(
    text.trimEnd().split("\n").map((line) => JSON.parse(line))
      .filter(({ event }) => event === "partial_file")
      .map(({ path, isRemoved }) => [path, isRemoved]),
    [[at("a"), false], [at("b"), true], [at("c"), false], [at("d"), true]],
  );
  assertEquals(await namesIn(folder.path), [".a.p2p-part", ".c.p2p-part"]);
  const reported = await runRoleHere("p2p", ["clean", folder.path, "--yes"]);
  assertEquals(reported.stderr.length, 3, reported.stderr.join("\n"));
  assert(reported.stderr[0]!.startsWith(`Cannot remove path (${at("a")}): `));
  assert(reported.stderr[1]!.startsWith(`Cannot remove path (${at("c")}): `));
  assertEquals(reported.stderr[2], "removed 0 partial files");
  const empty = await runRoleHere("p2p", ["clean", ""]);
  assertEquals(empty.code, 2);
  assertMatch(
    empty.stderr.join(),
    /Cannot look into folder: its path is empty/,
  );
});

Deno.test("p2p update names the version and the command that installs another", async () => {
  const { code, text } = await runRoleHere("p2p", ["update"], {
    env: { HOME: "/home/u" },
  });
  assertEquals(code, 0);
  assert(
    text.includes(`this is relay-p2p ${VERSION}, at /home/u/.local/bin/p2p`),
  );
  assert(text.includes(`npx -y deno@${Deno.version.deno} task install`));
});

for (const [term, noColor] of [["dumb", "1"], ["xterm", "unset"]] as const) {
  Deno.test(`p2p on a terminal of type ${term} runs with NO_COLOR ${noColor}`, async () => {
    await using home = await tempShare({
      deno: `#!/bin/sh\necho 'printf %s "\${NO_COLOR-unset}"'\n`,
      p2p: "",
    });
    await Deno.writeTextFile(join(home.path, "p2p"), shimText(home.path, "1"));
    await Deno.chmod(join(home.path, "deno"), 0o755);
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: [join(home.path, "p2p")],
      ...{ env: { TERM: term }, clearEnv: true },
    }).output();
    assertEquals(new TextDecoder().decode(stdout), noColor);
  });
}

Deno.test("p2p looks for no later Deno, neither for its launcher nor for its program", async () => {
  const tell = 'printf "%s;" "${DENO_NO_UPDATE_CHECK-unset}"';
  await using home = await tempShare({
    deno:
      `#!/bin/sh\nprintf '%s\\n' '${tell}'\n${tell} >"$DENO_DIR.launcher"\n`,
    p2p: "",
  });
  await Deno.writeTextFile(join(home.path, "p2p"), shimText(home.path, "1"));
  await Deno.chmod(join(home.path, "deno"), 0o755);
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: [join(home.path, "p2p")],
    clearEnv: true,
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "1;");
  const launcher = join(home.path, "cache.launcher");
  assertEquals(await Deno.readTextFile(launcher), "1;");
});

/** A home in which something like an installation is. */
async function installedHome(shim: string) {
  const folder = await tempShare({
    ".local/bin/p2p": shim,
    ".local/share/relay-p2p/app-1/deno": "",
    ".local/share/relay-p2p/install.lock": "",
    ".local/bin/.p2p.new": "left by an installation that was killed",
    ".local/state/relay-p2p/relay/identity.pem": "",
    ".config/relay-p2p/relay.json": "{}",
  });
  const left = async () => {
    const found: string[] = [];
    const places = [".local/bin/p2p", ".local/share/relay-p2p"];
    for (
      const place of [...places, ".local/state/relay-p2p", ".config/relay-p2p"]
    ) {
      const info = await Deno.stat(join(folder.path, place)).catch(() => null);
      if (info !== null) found.push(place);
    }
    return found;
  };
  const env = {
    HOME: folder.path,
    XDG_CONFIG_HOME: "",
    XDG_DATA_HOME: "",
    XDG_STATE_HOME: "",
  };
  return {
    left,
    path: folder.path,
    run: (...args: string[]) =>
      runRoleHere("p2p", ["uninstall", ...args], { env }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("p2p uninstall removes command and program, keeps identities, and with --all removes these too", async () => {
  await using home = await installedHome(shimText("/app", "1"));
  const { code, stderr } = await home.run();
  assertEquals(code, 0, stderr.join("\n"));
  assertEquals(await home.left(), [
    ".local/state/relay-p2p",
    ".config/relay-p2p",
  ]);
  assertEquals(await namesIn(join(home.path, ".local/bin")), []);
  assertEquals((await home.run("--all")).code, 0);
  assertEquals(await home.left(), []);
});

Deno.test("p2p uninstall removes no command of another program, and no file of the user", async () => {
  await using other = await installedHome("#!/bin/sh\necho another\n");
  const refused = await other.run();
  assertEquals(refused.code, 8);
  assertMatch(refused.stderr.join(), /another program is there; move it away/);
  assertEquals((await other.left()).length, 4);
  await using mine = await installedHome(shimText("/app", "1"));
  const data = join(mine.path, ".local/share/relay-p2p");
  await Deno.writeTextFile(join(data, "notes.txt"), "mine");
  assertEquals((await mine.run()).code, 0);
  assertEquals(await namesIn(data), ["notes.txt"]);
});

Deno.test("p2p uninstall removes nothing during an installation", async () => {
  await using home = await installedHome(shimText("/app", "1"));
  const data = join(home.path, ".local/share/relay-p2p");
  {
    using _lock = await lockInstalling(data);
    const { code, stderr } = await home.run();
    assertEquals(code, 8);
    assertMatch(
      stderr.join(),
      /: an installation is under way; run the same command again when it has ended/,
    );
    assertEquals((await home.left()).length, 4);
  }
  assertEquals((await home.run()).code, 0);
});

testWith(
  ["ps"],
  "Older installations are removed, except the previous one and those that run",
  async () => {
    await using folder = await tempShare({ "notes.txt": "mine" });
    const data = folder.path;
    const apps = ["app-1", "app-2-running", "app-3-before", "app-4-now"];
    for (const app of apps) {
      await Deno.mkdir(join(data, app));
      // Another program in the place of Deno, which a process is seen to run.
      await Deno.copyFile("/bin/cat", join(data, app, "deno"));
      await Deno.chmod(join(data, app, "deno"), 0o755);
    }
    await using running = spawnCommand([join(data, "app-2-running/deno")]);
    const kept = ["app-3-before", "app-4-now"].map((app) => join(data, app));
    await removeOthers(data, kept);
    assertEquals(await namesIn(data), [...apps.slice(1), "notes.txt"]);
    await running.endInput();
    await running.exitCode;
    await removeOthers(data, kept);
    assertEquals(await namesIn(data), [...apps.slice(2), "notes.txt"]);
  },
);

Deno.test("p2p help fits 80 columns, and names each first step after the one that it needs", async () => {
  for (const name of commandNames(P2P)) {
    const { text } = await runRoleHere("p2p", ["help", name, "--all"]);
    const wide = text.split("\n").filter((line) =>
      line.length > 80 && !/^ {2}\S/.test(line) // not a command
    );
    assertEquals(wide, [], name);
  }
  const { text } = await runRoleHere("p2p", ["help"]);
  const steps = ["p2p relay", "p2p use", "p2p share"]
    .map((step) => text.indexOf(`  ${step}`));
  assertEquals(steps, steps.toSorted((one, other) => one - other));
});

Deno.test("p2p help names every command, and each has a page", async () => {
  const short = await runRoleHere("p2p", ["help"]);
  assertEquals([short.code, short.stderr], [0, []]);
  assert(short.text.split("\n").length <= 25, short.text);
  assertEquals(short.text.match(/^ {2}(-q, )?--/gm)?.length, 4, short.text);
  for (const name of commandNames(P2P)) {
    assertMatch(short.text, new RegExp(`\\b${name}\\b`));
  }
  const { text } = await runRoleHere("p2p", ["help", "--all"]);
  for (const name of commandNames(P2P)) {
    assertMatch(text, new RegExp(`^  ${name}\\b`, "m"));
  }
  assert(
    !/\w\.ts\b/.test(text.replaceAll(/^An option can[^]*?\n\n/gm, "")),
    text,
  );
  for (const name of ["use", "clean", "update", "uninstall"]) {
    const page = await runRoleHere("p2p", ["help", name]);
    assertMatch(page.text, new RegExp(`p2p \\[options\\] ${name}`));
  }
});

testWith(
  ["bash"],
  "p2p completions bash completes commands, options of a command, and folders to share",
  async () => {
    const { text, code } = await runRoleHere("p2p", ["completions", "bash"]);
    assertEquals(code, 0);
    await using folder = await tempShare({ "photos/a.jpg": "", "a.txt": "" });
    const complete = async (...words: string[]) => {
      const line = words.map((word) => `'${word}'`).join(" ");
      const { stdout, stderr } = await new Deno.Command("bash", {
        args: [
          "-c",
          `${text}\nCOMP_WORDS=(p2p ${line}); COMP_CWORD=${words.length}\n` +
          "_relay_p2p_p2p 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"",
        ],
        cwd: folder.path,
      }).output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals(decode(stderr), "");
      return decode(stdout).trim().split("\n").toSorted();
    };
    assertEquals(await complete("sh"), ["share"]);
    assertEquals(await complete("u"), ["uninstall", "update", "use"]);
    assertEquals(await complete("use", "--for"), ["--forget"]);
    assertEquals(await complete("share", "--po"), ["--port"]);
    assertEquals(await complete("share", ""), ["photos"]);
    assertEquals(await complete("get", "--overw"), ["--overwrite"]);
  },
);
