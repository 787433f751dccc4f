/**
 * The programs in docs/LIBRARY.md, run from a folder of their own.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { formatToken } from "../lib/access/token.ts";
import { startNode, startRelay } from "./_network.ts";
import { tempShare } from "./_temp_share.ts";
import { MEMBER, startMember, startPrivate } from "./access/_private.ts";
import { writeSecret } from "./e2e/_private.ts";
import { ROOT } from "./e2e/_processes.ts";

const DOCUMENT = await Deno.readTextFile(join(ROOT, "docs/LIBRARY.md"));
const PROGRAMS = [
  ...DOCUMENT.matchAll(/```ts ignore\n([^`]*(?:`[^`\n]*`[^`]*)*?)```/g),
]
  .map(([, code]) => code!);
const FILES = { "report.pdf": "twelve bytes" };

/** A folder beside the project, with the `deno.json` of the document. */
async function otherFolder() {
  const folder = await tempShare();
  const [, config = ""] = /```json\n([^`]*)```/.exec(DOCUMENT) ?? [];
  const path = JSON.stringify(join(ROOT, "lib/mod.ts")).slice(1, -1);
  await Deno.writeTextFile(
    join(folder.path, "deno.json"),
    config.replace("../relay-p2p/lib/mod.ts", path),
  );
  return folder;
}

/** Runs a program of the document with another relay. */
async function run(
  program: string,
  { relay, cwd, flags = [] }: {
    relay: string;
    cwd: string;
    flags?: readonly string[];
  },
): Promise<string[]> {
  await Deno.writeTextFile(
    join(cwd, "main.ts"),
    program.replace(/p2p:\/\/[^"]+/, relay),
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", ...flags, "main.ts"],
    ...{ cwd, stdin: "null" },
    env: { NO_COLOR: "1" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(code, 0, decode(stderr));
  return decode(stdout).trimEnd().split("\n");
}

Deno.test("docs/LIBRARY.md has a program for a fetch, for a gateway, for private relays and for errors", () => {
  assertEquals(PROGRAMS.length, 4);
});

Deno.test("The library is imported from another folder with a deno.json of its own, and fetches a file", async () => {
  await using folder = await otherFolder();
  await using relay = await startRelay();
  await using _node = await startNode(relay, FILES, { name: "nas" });
  const address = relay.server.relayAddress;
  const cwd = folder.path;
  assertEquals(
    await run(PROGRAMS[0]!, { relay: address, cwd }),
    ["12 bytes from nas", "12"],
  );
});

Deno.test("A program serves a gateway, and reads a part of a file from it", async () => {
  await using folder = await otherFolder();
  await using relay = await startRelay();
  await using _node = await startNode(relay, FILES);
  const address = relay.server.relayAddress;
  const cwd = folder.path;
  assertEquals(await run(PROGRAMS[1]!, { relay: address, cwd }), ["206 12"]);
});

Deno.test("A program with a token lists a private relay, and fetches by the link that it makes", async () => {
  await using folder = await otherFolder();
  await using relay = await startPrivate();
  await using _node = await startMember(relay, FILES);
  const cwd = folder.path;
  await writeSecret(join(cwd, "client.token"), formatToken(MEMBER.token!));
  assertEquals(
    await run(PROGRAMS[2]!, {
      relay: relay.server.relayAddress,
      cwd,
      flags: ["--allow-read=client.token"],
    }),
    ["1 files", "12 bytes by a link"],
  );
});

Deno.test("A program distinguishes errors by kind, access code and remedy code", async () => {
  await using folder = await otherFolder();
  const cwd = folder.path;
  await using open = await startRelay();
  await using _node = await startNode(open, FILES);
  const missing = await run(PROGRAMS[3]!, {
    relay: open.server.relayAddress,
    cwd,
  });
  assertMatch(missing.join("\n"), /^not_found 4 /);
  await using closed = await startPrivate();
  const refused = await run(PROGRAMS[3]!, {
    relay: closed.server.relayAddress,
    cwd,
  });
  assertEquals(refused, ["token_missing 7 give_client_token"]);
});
