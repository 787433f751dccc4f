import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { readConfig } from "../../../lib/cli/options/config.ts";
import { Failure } from "../../../lib/base/errors.ts";
import { LIMITS } from "../../../lib/base/limits.ts";
import { runRoleHere } from "../../_here.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { runRole, spawnRole } from "../../e2e/_processes.ts";
import { tempShare } from "../../_temp_share.ts";

/** What a file with that text sets for a role. */
async function settingsOf(text: string, role: "relay" | "node" | "client") {
  await using folder = await tempShare({ "p2p.toml": text });
  return Object.fromEntries(await readConfig(`${folder.path}/p2p.toml`, role));
}

Deno.test("readConfig reads options for all roles, and those of one role", async () => {
  const text = `
    known-relays = "relays"
    limit-rate = 500_000
    json = true

    [node]
    "limit-rate" = "2M"
    name = "laptop"

    [client]
    quiet = false
    node = "alpha"
  `;
  const common = { "known-relays": "relays", json: true };
  assertEquals(await settingsOf(text, "relay"), {
    ...common,
    "limit-rate": "500000",
  });
  assertEquals(await settingsOf(text, "node"), {
    ...common,
    "limit-rate": "2M",
    name: "laptop",
  });
  assertEquals(await settingsOf(text, "client"), {
    ...common,
    "limit-rate": "500000",
    quiet: false,
    node: "alpha",
  });
  assertEquals(await settingsOf("", "client"), {});
});

for (
  const [text, words] of [
    ['\n\nnmae = "x"', "line 3: there is no setting nmae; did you mean name?"],
    [
      '[node]\nnmae = "x"',
      "line 2: there is no setting nmae; did you mean name?",
    ],
    ['name = "x"\n[node]\nouptut = "x"', "line 3: there is no setting ouptut"],
    [
      '[nod]\nname = "x"',
      "line 1: there is no setting nod; did you mean node?",
    ],
    ["help = true", "line 1: there is no setting help"],
    ['config = "other"', "line 1: there is no setting config"],
    ['"\\u001b[2J" = 1', "there is no setting \\x1b[2J"],
    [
      "[relay]\ntunnel = true",
      "line 2: tunnel is not a setting of the relay; use it with node",
    ],
    ['json = "yes"', "line 1: json must be true or false"],
    ["name = true", "line 1: name must be text or a whole number"],
    ["connections = 1.5", "line 1: connections must be text or a whole number"],
    ['name = ""', "line 1: name must be text or a whole number"],
    ["name = [1]", "line 1: name must be text or a whole number"],
    ['name = "x"\nname', "line 2: it is not TOML"],
    ["= 1", "line 1: it is not TOML"],
  ] as const
) {
  Deno.test(`readConfig refuses ${JSON.stringify(text)}`, async () => {
    const error = await assertRejects(
      () => settingsOf(text, "client"),
      Failure,
    );
    assertEquals(error.kind, "usage");
    assertEquals(error.message.includes(words), true, error.message);
    assertEquals(error.message.split("\n").length, 1);
  });
}

Deno.test("readConfig reads no more than its limit", async () => {
  const line = 'name = "x"\n';
  const most = "#".repeat(LIMITS.configBytes - line.length - 1) + "\n" + line;
  assertEquals(await settingsOf(most, "node"), { name: "x" });
  const error = await assertRejects(
    () => settingsOf(`#${most}`, "node"),
    Failure,
  );
  assertEquals(error.kind, "local");
  assertMatch(error.message, /it must have at most 65536 bytes/);
});

Deno.test("readConfig refuses a file that is no text, or missing", async () => {
  await using folder = await tempShare({ "x": Uint8Array.of(0xff, 0xfe) });
  const noText = await assertRejects(
    () => readConfig(join(folder.path, "x"), "node"),
    Failure,
  );
  assertMatch(
    noText.message,
    /Cannot read configuration .*: it is not text; name a file in TOML with --config$/,
  );
  const none = await assertRejects(
    () => readConfig(join(folder.path, "no"), "node"),
    Failure,
  );
  assertEquals(none.kind, "local");
  assertMatch(
    none.message,
    /no such file or folder; name a file in TOML with --config$/,
  );
});

Deno.test("A typed option wins over the variable, and the variable over the file", async () => {
  await using folder = await tempShare({ "p2p.toml": 'name = "file"' });
  await using relay = await relayHere();
  const file = join(folder.path, "p2p.toml");
  const env = { RELAY_P2P_NAME: "variable" };
  for (
    const [name, args, permissions] of [
      ["file", [], []],
      ["variable", [], ["--allow-env"]],
      ["typed", ["--name", "typed"], ["--allow-env"]],
    ] as const
  ) {
    await using node = spawnRole(
      "peer_node.ts",
      ["--config", file, ...args, relay.address, "0", "files/one"],
      {
        env,
        permissions: [
          "--allow-read=files/one",
          `--allow-read=${file}`,
          ...permissions,
        ],
      },
    );
    await node.stdout.until(/^registered/);
    const { text } = await runRoleHere("peer_client.ts", [
      relay.address,
      "nodes",
    ]);
    assertEquals(text.split(/\s+/)[1], name);
    node.signal("SIGTERM");
    await node.exitCode;
  }
});

Deno.test("A switch that a file or a variable turns on can be turned off again", async () => {
  await using folder = await tempShare({ "p2p.toml": "json = true" });
  await using relay = await relayHere();
  await using node = await nodeHere(relay, "files/one", { name: "alpha" });
  const file = join(folder.path, "p2p.toml");
  const table = `1  alpha  127.0.0.1:${node.port}  ${node.id}\n`;
  const list = (args: readonly string[], json?: string) =>
    runRoleHere("peer_client.ts", [
      "--config",
      file,
      ...args,
      relay.address,
      "nodes",
    ], json === undefined ? {} : { env: { RELAY_P2P_JSON: json } });
  assertMatch((await list([])).text, /^\{"v":1,"event":"nodes_listed"/);
  assertEquals((await list([], "0")).text, table);
  assertMatch((await list(["--json"], "0")).text, /^\{"v":1/);
  assertEquals((await list(["--json=false"], "1")).text, table);
  const wrong = await list([], "maybe");
  assertEquals([wrong.code, wrong.stderr], [2, [
    "error: Cannot use RELAY_P2P_JSON (maybe): wanted 1 or 0",
  ]]);
});

Deno.test("A file that may not be read is reported as not allowed, without a question", async () => {
  await using folder = await tempShare({ "p2p.toml": 'name = "file"' });
  const file = join(folder.path, "p2p.toml");
  const { code, stderr, text } = await runRole("relay.ts", [
    "--config",
    file,
    "0",
  ]);
  assertEquals([code, text, stderr], [7, "", [
    `error: Cannot read configuration (${file}): Deno did not give this process the permission; ` +
    `grant it with --allow-read=${file}`,
  ]]);
});
