/**
 * What `p2p` adds to a command, leaves to others, or refuses.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../lib/base/errors.ts";
import { ALLOW_LIST_BYTES } from "../../packaging/p2p/permissions.ts";
import { planOf as wholePlanOf } from "../../packaging/p2p/plan.ts";
import { placesOf } from "../../packaging/p2p/places.ts";
import type { Remembered } from "../../packaging/p2p/remembered.ts";
import { withVariables } from "../_here.ts";
import { around, KEPT, REMEMBERED, SECOND_RELAY } from "./_around.ts";
import {
  CONFIG,
  CONFIG_ENV,
  ENV,
  HERE,
  NET,
  OTHER,
  RELAY_SYS,
} from "./_p2p_plan.ts";

const KNOWN = `${CONFIG}/known-relays`;

/** A plan but for the nodes that it keeps: see `p2p_plan_test.ts`. */
async function planOf(...given: Parameters<typeof wholePlanOf>) {
  const { args, flags, ...plan } = await wholePlanOf(...given);
  const isKept = (path: string) => path.startsWith(KNOWN);
  return {
    ...plan,
    args: args.filter((arg) => arg !== "--known-relays" && !isKept(arg)),
    flags: flags.flatMap((flag) => {
      const [name, paths] = flag.split("=");
      const left = (paths ?? "").split(",").filter((path) => !isKept(path));
      return paths === undefined
        ? [flag]
        : left.length === 0
        ? []
        : [`${name}=${left.join(",")}`];
    }),
  };
}

const WITH_TOKENS: Remembered = {
  relay: KEPT,
  tokenFiles: { client: "/t/client", node: "/t/node" },
};

Deno.test("p2p gives the remembered index key to the commands that use one, unless another one is given", async () => {
  const remembered = { ...REMEMBERED, indexKeyFile: "/t/index" };
  const planned = async (typed: string, variables = {}) => {
    using _ = withVariables(variables);
    return await planOf(typed.split(" "), around(remembered));
  };
  const key = ["--index-key-file", "/t/index"];
  for (const typed of ["get x", "cat x", "link x", "ls", "sums x", "send f"]) {
    const { args, flags } = await planned(typed);
    assertEquals(args, [...key, KEPT, ...typed.split(" ")]);
    assert(
      flags.some((flag) => /^--allow-read=.*\/t\/index/.test(flag)),
      typed,
    );
  }
  const node = await planned("share d --state s");
  assertEquals(node.args.slice(0, 3), [...key, KEPT]);
  assertEquals((await planned("nodes")).args, [KEPT, "nodes"]);
  assertEquals((await planned(`${OTHER} ls`)).args, [OTHER, "ls"]);
  assertEquals((await planned("ls --index-key-file own")).args, [
    ...[KEPT, "ls", "--index-key-file", "own"],
  ]);
  const variable = { RELAY_P2P_INDEX_KEY_FILE: "env" };
  assertEquals((await planned("ls", variable)).args, [KEPT, "ls"]);
});

Deno.test("p2p gives the remembered token of the role, unless another one is given", async () => {
  const planned = async (typed: string, variables = {}) => {
    using _ = withVariables(variables);
    return await planOf(
      typed.split(" "),
      around(WITH_TOKENS, {
        settings: new Map([["token-file", "from-config"]]),
      }),
    );
  };
  const client = await planned("ls");
  assertEquals(client.args, ["--token-file", "/t/client", KEPT, "ls"]);
  assertEquals(client.flags, [NET, "--allow-read=/t/client", ENV]);
  const node = await planned("share d --state s");
  assertEquals(node.args.slice(0, 3), ["--token-file", "/t/node", KEPT]);
  assertEquals((await planned("ls --token-file own")).args, [
    ...[KEPT, "ls", "--token-file", "own"],
  ]);
  const fromVariable = await planned("ls", { RELAY_P2P_TOKEN_FILE: "env" });
  assertEquals(fromVariable.args, [KEPT, "ls"]);
  assertEquals(fromVariable.flags, [NET, "--allow-read=env", ENV]);
  const fromConfig = await planned("ls --config c.toml");
  assertEquals(fromConfig.args, [KEPT, "ls", "--config", "c.toml"]);
  assertEquals(fromConfig.flags, [NET, "--allow-read=from-config,c.toml", ENV]);
  assertEquals((await planned("nas 1700 ls")).args, ["nas", "1700", "ls"]);
});

Deno.test("p2p without a relay explains how to name one, and starts nothing", async () => {
  for (const typed of ["ls", "get x", "share d", ""]) {
    const failure = await assertRejects(
      () => planOf(typed.split(" ").filter((word) => word !== ""), around()),
      Failure,
      "no relay is remembered; name one with p2p use RELAY",
    );
    assertEquals(failure.exitCode, 2);
  }
  assertEquals((await planOf(["verify", "a", "b"], around())).args, [
    ...["verify", "a", "b"],
  ]);
});

Deno.test("p2p starts nothing for a path with a comma directly below the root", async () => {
  for (const path of ["/a,b/c", "/,", "../../a,b"]) {
    const failure = await assertRejects(
      () => planOf(["verify", path, "r.json"], around()),
      Failure,
      `Cannot start (${path}): Deno cannot grant a path with a comma, and its parent folder is the root; rename it`,
    );
    assertEquals(failure.exitCode, 2);
  }
});

Deno.test("p2p grants the folders around paths that do not fit into one argument, the fullest first, and never the root", async () => {
  using _ = withVariables({});
  const flagOf = async (...paths: string[]) =>
    (await planOf(["verify", ...paths], around())).flags[0]!;
  const long = "n".repeat(200);
  const many = (folder: string, count: number) =>
    Array.from({ length: count }, (_, at) => `${folder}${long}${at}`);
  const some = many("few/", 100);
  assertEquals(
    await flagOf(...some, ...many("full/of/", 1000)),
    `--allow-read=${[...some, "full/of"].join(",")}`,
  );
  assertEquals(
    await flagOf(...many("a/", 1000).map((path) => `${path}/x`)),
    "--allow-read=a",
  );
  assertEquals(await flagOf(...many("", 1000)), "--allow-read=.");
  const fits = "--allow-read=".length + ALLOW_LIST_BYTES;
  for (const count of [400, 490, 500, 600]) {
    const flag = await flagOf(...many("a/", count), "b");
    assert(flag.length <= fits, `${count}`);
  }
  for (const folder of ["/", "../../"]) {
    const failure = await assertRejects(
      () => flagOf(...many(folder, 1000)),
      Failure,
      "Cannot start: 1000 paths are too many for one command; name the folders that they are in",
    );
    assertEquals(failure.exitCode, 2);
  }
});

Deno.test("p2p needs no HOME for commands that use no folder there, or if variables name the folders", async () => {
  using _ = withVariables({});
  const planned = (typed: string, variables: Record<string, string> = {}) => {
    const places = placesOf((name) => variables[name]);
    return planOf(typed.split(" "), { ...around(REMEMBERED), places });
  };
  assertEquals((await planned("--version")).args, ["--version"]);
  assertEquals((await planned("vps.example:17 nodes")).flags, [NET, ENV]);
  const own = await planned("use", { XDG_CONFIG_HOME: "/c" });
  assertEquals(own.flags[0], "--allow-read=/c/relay-p2p");
  const relay = await planned("relay", { XDG_STATE_HOME: "/s", HOME: "" });
  assertEquals(relay.flags[1], "--allow-read=/s/relay-p2p/relay");
  for (const typed of ["use", "relay", "share d", "uninstall"]) {
    const failure = await assertRejects(
      () => planned(typed, { XDG_CONFIG_HOME: "c", HOME: "h" }),
      Failure,
      "Cannot start: HOME does not name a folder; set it",
    );
    assertEquals(failure.exitCode, 2);
  }
});

Deno.test("p2p gives several remembered relays as options, each with the token of the role", async () => {
  const both = [WITH_TOKENS, {
    relay: SECOND_RELAY,
    tokenFiles: { client: "/t/pi client" },
  }];
  const planned = (typed: string, remembered = both) =>
    planOf(typed.split(" "), around(remembered));
  const ls = await planned("ls");
  assertEquals(ls.args, [
    ...["--relay", `${KEPT} /t/client`],
    ...["--relay", `${SECOND_RELAY} /t/pi client`, "ls"],
  ]);
  assertEquals(ls.flags[1], "--allow-read=/t/client,/t/pi client");
  const share = await planned("share docs");
  assertEquals(share.args.slice(2), [
    ...["--relay", `${KEPT} /t/node`, "--relay", SECOND_RELAY],
    ...["0", "docs"],
  ]);
  const given = await planned("ls --token-file t");
  assertEquals(given.args.slice(0, 4), [
    ...["--relay", KEPT, "--relay", SECOND_RELAY],
  ]);
  // What is typed stands in their place.
  const typed = await planOf(
    ["ls", "--relay", "nas:1 own.token"],
    around(both),
  );
  assertEquals(typed.args, ["ls", "--relay", "nas:1 own.token"]);
  assertEquals(typed.flags[1], "--allow-read=own.token");
  assertEquals((await planned(`${KEPT} ls`)).args, [KEPT, "ls"]);
});

Deno.test("p2p use without a remembered relay may look for relays on the network", async () => {
  const { flags } = await planOf(["use"], around());
  assertEquals(flags, [
    ...[NET, `--allow-read=${CONFIG}`, `--allow-write=${CONFIG}`, CONFIG_ENV],
    "--allow-sys=networkInterfaces",
  ]);
});

Deno.test("p2p clean may write only with --yes, or at a terminal", async () => {
  const surroundings = around([], { isTerminal: false });
  const flagsOf = async (...typed: string[]) =>
    (await planOf(["clean", ...typed], surroundings)).flags;
  assertEquals(await flagsOf(), ["--allow-read=.", ENV]);
  assertEquals(await flagsOf("--yes"), [...HERE, ENV]);
});

Deno.test("p2p relay leaves announcing to the configuration file, if that sets it on or off", async () => {
  using _ = withVariables({});
  for (const isOn of [false, true]) {
    const settings = new Map([["announce", isOn]]);
    const typed = ["relay", "--state", "s", "--config", "c"];
    const plan = await planOf(typed, around([], { settings }));
    assertEquals(plan.args.includes("--announce"), false);
    assertEquals(plan.flags.includes(RELAY_SYS), isOn);
  }
});

Deno.test("p2p overrides nothing that a configuration file sets", async () => {
  using _ = withVariables({});
  const planned = async (
    typed: string,
    settings: readonly (readonly [string, string | boolean])[],
  ) =>
    (await planOf(
      [...typed.split(" "), "--config", "c"],
      around(WITH_TOKENS, { settings: new Map(settings) }),
    )).args;
  assertEquals(
    await planned("relay", [["state", "s"], ["announce", true]]),
    ["--config", "c", "1700"],
  );
  assertEquals(
    await planned("share d", [["state", "s"], ["token-file", "t"]]),
    [KEPT, "0", "d", "--config", "c"],
  );
  assertEquals(
    await planned("send f", [["token-file", "t"], ["node-token-file", "n"]]),
    [KEPT, "send", "f", "--config", "c"],
  );
  assertEquals(
    await planned("get", [["link-file", "l"]]),
    ["get", "--config", "c"],
  );
});

for (
  const [typed, message] of [
    ["get --bogus x", "(--bogus): there is no such option; see p2p --help"],
    [
      "get --nodes x y",
      "(--nodes): there is no such option; did you mean --node?",
    ],
    [
      "share --bogus x",
      "(--bogus): there is no such option; see p2p share --help",
    ],
    [
      "nas 1700 share d --nmae x",
      "(--nmae): there is no such option; did you mean --name?",
    ],
    [
      "--hiden share d",
      "(--hiden): there is no such option; did you mean --hidden?",
    ],
    [
      "share d --port 5 --bogus",
      "(--bogus): there is no such option; see p2p share --help",
    ],
    [
      "share d --port",
      "(--port): it needs a value: --port PORT; see p2p share --help",
    ],
    [
      "get x --yes",
      "(--yes): this command has no such option; use it with p2p clean",
    ],
    [
      "ls --port 5",
      "(--port): this command has no such option; use it with p2p share",
    ],
    [
      "share d --forget",
      "(--forget): this command has no such option; use it with p2p use",
    ],
  ] as const
) {
  Deno.test(`p2p ${typed} names the option, and what to type instead`, async () => {
    using _ = withVariables({ RELAY_P2P_COMMAND: "p2p" });
    const failure = await assertRejects(
      () => planOf(typed.split(" "), around(REMEMBERED)),
      Failure,
    );
    assertEquals(failure.message, `Cannot use option ${message}`);
    assertEquals(failure.exitCode, 2);
  });
}

Deno.test("p2p share refuses a folder that contains the home folder, and shows how to share it anyway", async () => {
  using _ = withVariables({});
  for (const path of ["/home/u", "/home", "/", "up"]) {
    const failure = await assertRejects(
      () => planOf(["share", "docs", `all=${path}`], around(REMEMBERED)),
      Failure,
    );
    assertEquals(failure.exitCode, 2);
    assertEquals(
      failure.message,
      `Cannot start: ${path} contains your whole home folder; name folders in it, ` +
        "such as ~/Documents, or all of them: p2p share ~/*; " +
        "or insist with --state DIR, where DIR lies outside of it",
    );
  }
  const typed = ["share", "/home/u", "--state", "/srv/state"];
  const { args } = await planOf(typed, around(REMEMBERED));
  assertEquals(args, [KEPT, "0", "/home/u", "--state", "/srv/state"]);
});
