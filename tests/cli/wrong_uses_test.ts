/**
 * What people get wrong, as they type it: one line that a stranger understands,
 * what to do about it, and the documented exit code.
 */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { runRoleHere } from "../_here.ts";
import { nodeHere, relayHere } from "../_scenery.ts";
import { runRole } from "../e2e/_processes.ts";
import { tempShare } from "../_temp_share.ts";

/** A world with a relay and one node that has 1.txt, and a folder. */
interface World {
  readonly relay: string;
  readonly relayPort: string;
  readonly folder: string;
}

interface WrongUse {
  readonly what: string;
  readonly script?: string;
  readonly args: (world: World) => string[];
  /** Those of a process of its own, where one must be missing. */
  readonly permissions?: (world: World) => string[];
  readonly env?: Record<string, string>;
  readonly code: number;
  /** Whether something goes to stdout before. */
  readonly isPrinted?: true;
  readonly line: (world: World) => string;
}

const CUT = "it is incomplete or was altered; " +
  "copy it again completely, or ask for a new one";

/** What looks like a link by that relay. */
function linkOf(relay: string): string {
  return `${relay}/AQFw932hPXqtZI/1.txt`;
}

const WRONG_USES: readonly WrongUse[] = [
  {
    what: "a file that no node has",
    args: ({ relay }) => [relay, "get", "nothing.bin"],
    code: 4,
    line: () =>
      "Cannot find file (nothing.bin): the only node does not have it; check the name",
  },
  {
    what: "the relay left out",
    args: () => ["get", "1.txt"],
    permissions: () => [],
    code: 2,
    line: () =>
      "Cannot start: the relay is missing; usage: peer_client.ts RELAY get NAME…",
  },
  {
    what: "no relay where it is said to be",
    args: () => ["127.0.0.1", "1", "ls"],
    code: 3,
    line: () =>
      "Cannot reach relay (127.0.0.1:1): connection refused; check host and port, and that the relay is running",
  },
  {
    what: "a command misspelt",
    args: ({ relay }) => [relay, "gte", "1.txt"],
    code: 2,
    line: () => "Cannot start: there is no command gte; did you mean get?",
  },
  {
    what: "a command of another tool",
    args: ({ relay }) => [relay, "download", "1.txt"],
    code: 2,
    line: () => "Cannot start: there is no command download; did you mean get?",
  },
  {
    what: "an option misspelt",
    args: ({ relay }) => [relay, "get", "1.txt", "--ouput", "x"],
    code: 2,
    line: () =>
      "Cannot use option (--ouput): there is no such option; did you mean --output?",
  },
  {
    what: "an option of another command",
    args: ({ relay }) => [relay, "ls", "--overwrite"],
    code: 2,
    line: () =>
      "Cannot use option (--overwrite): ls does not use it; use it with get",
  },
  {
    what: "an option of other scripts",
    args: ({ relay }) => [relay, "get", "1.txt", "--metrics", "127.0.0.1:0"],
    code: 2,
    line: () =>
      "Cannot use option (--metrics): there is no such option; use it with relay.ts and peer_node.ts",
  },
  {
    what: "an option of the node given to the relay",
    script: "relay.ts",
    args: () => ["--tunnel", "0"],
    code: 2,
    line: () =>
      "Cannot use option (--tunnel): there is no such option; use it with peer_node.ts and peer_client.ts",
  },
  {
    what: "a name that begins with a dash",
    args: ({ relay }) => [relay, "get", "-draft.txt"],
    code: 2,
    line: () =>
      "Cannot use option (-draft.txt): there is no such option; a name that begins with a dash goes after --; see peer_client.ts --help",
  },
  {
    what: "a relay without its port, before a command",
    args: () => ["nas", "ls"],
    code: 2,
    line: () =>
      "Cannot start: the relay's port is missing; usage: peer_client.ts [options] RELAY [command]",
  },
  {
    what: "an overlap with no secret before",
    script: "relay.ts",
    args: ({ folder }) => [
      ...["--secret-file", `${folder}/secret`, "--overlap", "1h", "0"],
    ],
    code: 2,
    line: () => "Cannot use --overlap (1h): it needs --previous-secret-file",
  },
  {
    what: "an overlap with no secret at all",
    script: "relay.ts",
    args: () => ["--overlap", "1h", "0"],
    code: 2,
    line: () => "Cannot use --overlap (1h): it needs --previous-secret-file",
  },
  {
    what: "a node's doctor without a relay",
    script: "peer_node.ts",
    args: () => ["doctor"],
    code: 2,
    line: () =>
      "Cannot start: the relay is missing; usage: peer_node.ts doctor RELAY PORT [DIR…]",
  },
  {
    what: "a node's doctor without its port",
    script: "peer_node.ts",
    args: () => ["doctor", "nas", "1700"],
    code: 2,
    line: () =>
      "Cannot start: the node's port is missing; usage: peer_node.ts doctor RELAY PORT [DIR…]",
  },
  {
    what: "a node's command misspelt",
    script: "peer_node.ts",
    args: () => ["docter", "127.0.0.1", "1700", "0"],
    code: 2,
    line: () =>
      "Cannot start: there is no command docter; did you mean doctor?",
  },
  {
    what: "a link that was cut in the relay's id",
    args: ({ relay }) => ["get", relay.slice(0, -8)],
    code: 2,
    line: () => `Cannot use link: ${CUT}`,
  },
  {
    what: "a link that lost a slash",
    args: ({ relay }) => ["get", linkOf(relay).replace("//", "/")],
    code: 2,
    line: () => `Cannot use link: ${CUT}`,
  },
  {
    what: "a link that lost its beginning",
    args: ({ relay }) => ["get", linkOf(relay).replace("p2p://", "")],
    code: 2,
    line: () => `Cannot use link: ${CUT}`,
  },
  ...[
    ["a link given to cat", (link: string) => ["cat", link]],
    ["a link in place of the relay", (link: string) => [link, "ls"]],
    ["two links", (link: string) => ["get", link, link]],
    ["a link beside a name", (link: string) => ["get", link, "1.txt"]],
  ].map(([what, args]) => ({
    what: what as string,
    args: ({ relay }: World) =>
      (args as (link: string) => string[])(linkOf(relay)),
    code: 2,
    line: () =>
      "Cannot use link: a link must be the only argument after get; usage: peer_client.ts get LINK",
  })),
  {
    what: "a pattern that nothing matches",
    args: ({ relay }) => [relay, "ls", "*.pdf"],
    code: 4,
    line: () =>
      "Cannot list files (*.pdf): no active node has a file that matches; list all files with ls alone",
  },
  {
    what: "a file where a folder is wanted",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "2.txt", "-o", `${folder}/1.txt`],
    ],
    code: 8,
    line: ({ folder }) =>
      `Cannot save to (${folder}/1.txt): not a folder; name a folder with -o`,
  },
  {
    what: "a receipt that is not there",
    args: ({ folder }) => ["verify", `${folder}/1.txt`, `${folder}/no.json`],
    code: 8,
    line: ({ folder }) =>
      `Cannot read receipt (${folder}/no.json): no such file or folder; name a file that get --receipt wrote`,
  },
  {
    what: "a configuration that is not there",
    args: ({ relay, folder }) => ["--config", `${folder}/no.toml`, relay, "ls"],
    code: 8,
    line: ({ folder }) =>
      `Cannot read configuration (${folder}/no.toml): no such file or folder; name a file in TOML with --config`,
  },
  {
    what: "a relay at an address of another machine",
    script: "relay.ts",
    args: () => ["--host", "192.0.2.7", "0"],
    code: 8,
    line: () =>
      "Cannot listen (192.0.2.7:0): that address is not one of this machine's; give --host an address of this machine",
  },
  {
    what: "metrics on a port that is taken",
    script: "relay.ts",
    args: ({ relayPort }) => [
      ...["--metrics", `127.0.0.1:${relayPort}`],
      ...["--host", "127.0.0.1", "0"],
    ],
    code: 8,
    isPrinted: true,
    line: ({ relayPort }) =>
      `Cannot listen (127.0.0.1:${relayPort}): the port is in use by another program; give --metrics another address`,
  },
  {
    what: "an option without its value",
    args: ({ relay }) => [relay, "get", "1.txt", "-o"],
    code: 2,
    line: () =>
      "Cannot use option (--output): it needs a value: --output PATH; see peer_client.ts --help",
  },
  {
    what: "a folder that does not exist",
    args: (
      { relay, folder },
    ) => [relay, "get", "1.txt", "-o", `${folder}/no/f`],
    code: 8,
    line: ({ folder }) =>
      `Cannot save to (${folder}/no): no such folder; create it first, or choose another with -o`,
  },
  {
    what: "a file that is there already",
    args: ({ relay, folder }) => [relay, "get", "1.txt", "-o", folder],
    code: 8,
    line: ({ folder }) =>
      `Cannot save file (${folder}/1.txt): it already exists with different content; use --overwrite to replace it, or -o to save elsewhere`,
  },
  {
    what: "no leave to read where it is to be saved",
    args: ({ relay, folder }) => [relay, "get", "1.txt", "-o", folder],
    permissions: () => [],
    code: 7,
    line: ({ folder }) =>
      `Cannot save to (${folder}): Deno did not give this process the permission; grant it with --allow-read=${folder} --allow-write=${folder} where it is a folder, or else grant it with --allow-read=${
        dirname(folder)
      } --allow-write=${dirname(folder)}`,
  },
  {
    what: "a node that shares what it may not read",
    script: "peer_node.ts",
    args: ({ relay, folder }) => [relay, "0", folder],
    permissions: () => [],
    code: 7,
    line: ({ folder }) =>
      `Cannot share folder (${folder}): Deno did not give this process the permission; grant it with --allow-read=${folder}`,
  },
  {
    what: "a node without its port",
    script: "peer_node.ts",
    args: () => ["nas", "1700"],
    code: 2,
    line: () =>
      "Cannot start: the node's port is missing; usage: peer_node.ts [options] RELAY PORT [DIR…]",
  },
  {
    what: "a relay on a port that is taken",
    script: "relay.ts",
    args: ({ relayPort }) => ["--host", "127.0.0.1", relayPort],
    code: 8,
    line: ({ relayPort }) =>
      `Cannot listen (127.0.0.1:${relayPort}): the port is in use by another program; choose another port (0 lets the system pick one) or --host`,
  },
  {
    what: "a relay's command misspelt",
    script: "relay.ts",
    args: () => ["hlep"],
    code: 2,
    line: () => "Cannot start: there is no command hlep; did you mean help?",
  },
  {
    what: "an address for a browser without a gateway",
    args: ({ relay }) => [relay, "link", "1.txt", "--web"],
    code: 2,
    line: () =>
      "Cannot use --web: it needs the address of a gateway that the other person can reach; give it with --gateway-url URL",
  },
  {
    what: "a variable with a wrong value",
    args: ({ relay }) => [relay, "cat", "1.txt"],
    env: { RELAY_P2P_CONNECTIONS: "many" },
    code: 2,
    line: () => "Cannot use --connections (many): wanted a number from 1 to 16",
  },
  {
    what: "a setting misspelt",
    args: ({ relay, folder }) => ["--config", join(folder, "p2p.toml"), relay],
    code: 2,
    line: ({ folder }) =>
      `Cannot use configuration (${folder}/p2p.toml): line 1: there is no setting limit_rate; did you mean limit-rate?`,
  },
  {
    what: "one older file for two names",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "2.txt", "-o", `${folder}/`],
      ...["--base", `${folder}/1.txt`],
    ],
    code: 2,
    line: ({ folder }) =>
      `Cannot use --base (${folder}/1.txt): it needs exactly one file name`,
  },
  {
    what: "an older file for what is not saved",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "-o", "-", "--base", `${folder}/1.txt`],
    ],
    code: 2,
    line: ({ folder }) =>
      `Cannot use --base (${folder}/1.txt): with -o - nothing is saved`,
  },
  {
    what: "an older file that is not there",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "-o", `${folder}/new`],
      ...["--base", `${folder}/no`],
    ],
    code: 8,
    line: ({ folder }) =>
      `Cannot use base file (${folder}/no): there is no such file; name an older version of the file, or omit --base`,
  },
  {
    what: "a folder for an older file",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "-o", `${folder}/new`, "--base", folder],
    ],
    code: 8,
    line: ({ folder }) =>
      `Cannot use base file (${folder}): it is a folder; name an older version of the file, or omit --base`,
  },
  {
    what: "an older file that the client may not read",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "-o", `${folder}/new`],
      ...["--base", "/var/old/1.txt"],
    ],
    permissions: ({ folder }) => [
      `--allow-read=${folder}`,
      `--allow-write=${folder}`,
    ],
    code: 7,
    line: () =>
      "Cannot use base file (/var/old/1.txt): Deno did not give this process the permission; grant it with --allow-read=/var/old/1.txt",
  },
  {
    what: "the file to be saved for the older file",
    args: ({ relay, folder }) => [
      ...[relay, "get", "1.txt", "-o", `${folder}/1.txt`, "--overwrite"],
      ...["--base", `${folder}/received/../1.txt`],
    ],
    code: 8,
    line: ({ folder }) =>
      `Cannot use base file (${folder}/received/../1.txt): it is the file to be saved; omit it: --overwrite keeps the right pieces of that file`,
  },
  {
    what: "a file that is not what was received",
    args: ({ folder }) => ["verify", `${folder}/1.txt`, `${folder}/r.json`],
    code: 6,
    line: ({ folder }) =>
      `Cannot verify file (${folder}/1.txt): it has 4 bytes, but 17 were received; fetch it again`,
  },
];

Deno.test("Wrong uses: one line that helps, and the documented code", async (test) => {
  await using share = await tempShare({ "1.txt": "I am Text file 1\n" });
  await using folder = await tempShare({
    "1.txt": "mine",
    "p2p.toml": 'limit_rate = "2M"\n',
    "received/x": "",
    secret: "0123456789abcdef".repeat(4),
  });
  await Deno.chmod(join(folder.path, "secret"), 0o600);
  await using relay = await relayHere();
  await using _node = await nodeHere(relay, share.path);
  const received = await runRoleHere("peer_client.ts", [
    ...[relay.address, "get", "1.txt", "-o", join(folder.path, "received/")],
    ...["--receipt", join(folder.path, "r.json")],
  ]);
  assertEquals(received.code, 0, received.stderr.join("\n"));
  const world = {
    relay: relay.address,
    relayPort: relay.port,
    folder: folder.path,
  };
  for (const wrong of WRONG_USES) {
    await test.step(wrong.what, async () => {
      const { script = "peer_client.ts", args, permissions, env = {} } = wrong;
      const given = ["--quiet", ...args(world)];
      const { code, text, stderr } = permissions === undefined
        ? await runRoleHere(script, given, { env })
        : await runRole(script, given, {
          permissions: permissions(world),
          env,
        });
      assertEquals(stderr, [`error: ${wrong.line(world)}`]);
      assertEquals([code, text !== ""], [wrong.code, wrong.isPrinted ?? false]);
    });
  }
});
