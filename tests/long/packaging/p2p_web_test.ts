/**
 * `p2p web` as a process: the page of a gateway in the user's browser, by the
 * real `xdg-open`, which starts the program that the variable BROWSER names.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { spawnCommand } from "../../e2e/_processes.ts";
import { p2pHome } from "../../packaging/_p2p.ts";
import { relayHere } from "../../_scenery.ts";
import { testWith } from "../../_tools.ts";

testWith(
  ["xdg-open"],
  "p2p web opens the page of a gateway that it starts, and then that of one that runs",
  async () => {
    await using home = await p2pHome();
    await using relay = await relayHere();
    const browser = join(home.home, "browser");
    await Deno.writeTextFile(
      browser,
      `#!/bin/sh\nprintf '%s\\n' "$1" >>"$HOME/opened"\n`,
      { mode: 0o755 },
    );
    // The home has a blank in its name, which BROWSER cannot have.
    const env = {
      ...home.env,
      ...{ BROWSER: "browser", DISPLAY: "", WAYLAND_DISPLAY: "" },
      XDG_CURRENT_DESKTOP: "",
    };
    const start = (...words: string[]) =>
      spawnCommand(
        [home.command, "--json", relay.address, "web", ...words],
        { cwd: home.home, env },
      );
    const opened = /^.*"event":"page_opened".*$/;
    await using first = start("0");
    const { url, isShown } = JSON.parse((await first.stdout.until(opened))[0]!);
    assertMatch(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assertEquals(isShown, true);
    const page = await (await fetch(url)).text();
    assertMatch(page, /<title>All files · relay-p2p<\/title>/);

    await using second = start(new URL(url).port);
    assertEquals(await second.exitCode, 0);
    const reported = JSON.parse(
      second.stdout.all.find((line) => opened.test(line))!,
    );
    assertEquals([reported.url, reported.isShown], [url, true]);
    const seen = await Deno.readTextFile(join(home.home, "opened"));
    assertEquals(seen, `${url}\n${url}\n`);
    first.signal("SIGINT");
    assertEquals(await first.exitCode, 0);
  },
);
