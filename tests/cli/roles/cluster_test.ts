import { assertEquals, assertRejects } from "@std/assert";
import { Failure } from "../../../lib/base/errors.ts";
import { parseCommandLine } from "../../../lib/cli/options/command_line.ts";
import { RELAY } from "../../../lib/cli/options/command_table.ts";
import { clusterOptions } from "../../../lib/cli/roles/cluster.ts";
import type { RoleContext } from "../../../lib/cli/roles/role.ts";
import { loadedAtStart } from "../../_rooms.ts";
import { IDENTITIES } from "../../_network.ts";

const identity = IDENTITIES[0]!;
const AT = ["--advertise-instance", "192.0.2.1:1700"];

/** The options of a line, and its events. */
async function optionsOf(
  words: readonly string[],
  relay: Parameters<typeof clusterOptions>[1] = { identity },
) {
  const notes: string[] = [];
  const concealed: string[] = [];
  const context = {
    line: parseCommandLine([...words, "1700"], RELAY),
    terminal: {
      note: (text: string) => notes.push(text),
      conceal: (text: string) => concealed.push(text),
    },
  } as unknown as RoleContext;
  const { cluster } = await clusterOptions(context, relay);
  return { cluster, notes, concealed };
}

Deno.test("A relay without --cluster loads no module of a cluster", () => {
  const loaded = loadedAtStart("lib/cli/roles/run_relay.ts");
  assertEquals(loaded.filter((path) => path.includes("cluster/")), []);
  const ofCluster = ["cluster_member", "holder_replicas", "instance_calls"];
  for (const name of ofCluster) {
    assertEquals(loaded.includes(`lib/relay/${name}.ts`), false, name);
  }
  const withCluster = loadedAtStart("lib/cli/roles/cluster.ts");
  assertEquals(withCluster.includes("lib/cluster/redis_store.ts"), true);
});

Deno.test("--cluster takes the address of Redis, and --advertise-instance that of this instance", async () => {
  const { cluster, notes } = await optionsOf([
    ...["--cluster", "redis://127.0.0.1:6379/0"],
    ...AT,
  ]);
  assertEquals(cluster.address, { host: "192.0.2.1", port: 1700 });
  assertEquals(notes, []);
  const bound = await optionsOf(["--cluster", "redis://127.0.0.1"], {
    identity,
    host: "127.0.0.1",
  });
  assertEquals(bound.cluster.address, undefined);
});

Deno.test("--cluster warns of a password in the command line, and keeps it out of all output", async () => {
  const { notes, concealed } = await optionsOf([
    ...["--cluster", "redis://me:pass%20word@127.0.0.1"],
    ...AT,
  ]);
  assertEquals(notes.length, 1);
  assertEquals(concealed, ["pass word", "pass%20word"]);
});

Deno.test("--cluster-file gives the address with its password, and warns of nothing", async () => {
  const folder = await Deno.makeTempDir({ dir: "." });
  try {
    const path = `${folder}/url`;
    const url = "rediss://:hidden@127.0.0.1:6380/1\n";
    await Deno.writeTextFile(path, url, { mode: 0o600 });
    const given = await optionsOf(["--cluster-file", path, ...AT]);
    assertEquals(given.notes, []);
    assertEquals(given.concealed.includes("hidden"), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const WRONG: readonly (readonly [
  words: readonly string[],
  why: string,
  relay?: Parameters<typeof clusterOptions>[1],
])[] = [
  [AT, "it needs --cluster URL"],
  [["--cluster", "http://127.0.0.1", ...AT], "wanted redis://"],
  [["--cluster", "redis://127.0.0.1/x", ...AT], "wanted redis://"],
  [["--cluster", "redis://127.0.0.1", ...AT], "the same identity", {}],
  [["--cluster", "redis://127.0.0.1"], "give --advertise-instance HOST:PORT"],
  [
    ["--cluster", "redis://127.0.0.1", "--cluster-file", "x", ...AT],
    "it excludes --cluster-file",
  ],
];

for (const [words, why, relay] of WRONG) {
  Deno.test(`relay.ts ${words.join(" ")}${relay ? " without --state" : ""} says: ${why}`, async () => {
    const error = await assertRejects(() => optionsOf(words, relay), Failure);
    assertEquals(error.kind, "usage");
    assertEquals(error.message.includes(why), true, error.message);
  });
}
