/** `p2p` as its launcher and its program: paths on the command line. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { p2pHome } from "../../packaging/_p2p.ts";

Deno.test("p2p share keeps the state of a named folder in one place, for any current folder", async () => {
  await using p2p = await p2pHome();
  await Deno.mkdir(join(p2p.home, "docs"));
  const stateOf = async (cwd: string, shared: string) => {
    const { stdout, code } = await new Deno.Command(p2p.command, {
      args: ["--show", "127.0.0.1:1", "share", shared],
      cwd: join(p2p.home, cwd),
      env: p2p.env,
      stdin: "null",
    }).output();
    assertEquals(code, 0);
    const text = new TextDecoder().decode(stdout);
    const name = /\/state\/relay-p2p\/share\/([0-9a-f]{16})/.exec(text)?.[1];
    assert(name !== undefined, text);
    return name;
  };
  const state = await stateOf(".", "notes=docs");
  assertEquals(await stateOf("docs", `notes=${join(p2p.home, "docs")}`), state);
  assertEquals(await stateOf("docs", "notes=../docs"), state);
  assert(await stateOf(".", "others=docs") !== state);
  assert(await stateOf(".", "docs") !== state);
});

Deno.test("p2p runs if the home folder, or a shared folder, has a comma in its name", async () => {
  await using p2p = await p2pHome();
  const home = join(p2p.home, "one, two");
  await Deno.mkdir(join(home, "a,,b"), { recursive: true });
  await Deno.writeTextFile(join(home, "a,,b", ".x.p2p-part"), "half");
  const run = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command(p2p.command, {
      args,
      cwd: home,
      env: { ...p2p.env, HOME: home, NO_COLOR: "1" },
      stdin: "null",
    }).output();
    return { code, text: new TextDecoder().decode(stderr).trim() };
  };
  assertEquals(await run("use", "--forget"), {
    code: 0,
    text: "no relay was remembered",
  });
  assertEquals(await run("clean", "a,,b", "--yes"), {
    code: 0,
    text: "removed 1 partial file",
  });
  const left = await Array.fromAsync(Deno.readDir(join(home, "a,,b")));
  assertEquals(left, []);
});
