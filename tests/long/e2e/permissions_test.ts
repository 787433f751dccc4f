/**
 * Least privilege: each role and command, started with the permissions that the
 * README gives, and every permission that it asks for written down by Deno. It
 * may use what the README names, and may not even ask for anything else.
 */

import { assert, assertEquals } from "@std/assert";
import { join, resolve } from "@std/path";
import { within } from "../../_event_log.ts";
import { tempShare } from "../../_temp_share.ts";
import { Lines, ROOT, spawnCommand } from "../../e2e/_processes.ts";

/** One permission that was asked for, whether it was granted or not. */
interface Asked {
  readonly permission: string;
  readonly value: string | null;
}

interface AuditedRole extends AsyncDisposable {
  readonly stdout: Lines;
  readonly stderr: Lines;
  /** Its exit code, once it has stopped, if the test stops it. */
  end(signal?: Deno.Signal): Promise<number>;
  /** What it asked for; once it has ended. */
  asked(): Promise<Asked[]>;
}

/** Starts a role with just `permissions`, under audit. */
async function spawnAudited(
  permissions: readonly string[],
  args: readonly string[],
  { cwd = ROOT, input = "" }: { cwd?: string; input?: string } = {},
): Promise<AuditedRole> {
  const log = await Deno.makeTempFile({ prefix: "relay-p2p-audit-" });
  const [script = "", ...rest] = args;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, join(ROOT, script), ...rest],
    cwd,
    env: { NO_COLOR: "1", DENO_AUDIT_PERMISSIONS: log },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [stdout, stderr] = [new Lines(child.stdout), new Lines(child.stderr)];
  const writer = child.stdin.getWriter();
  writer.write(new TextEncoder().encode(input)).catch(() => {});
  writer.close().catch(() => {}); // it may end without reading
  let running = true;
  const status = Promise.all([child.status, stdout.ended, stderr.ended])
    .then(([{ code }]) => {
      running = false;
      return code;
    });
  return {
    stdout,
    stderr,
    end: async (signal) => {
      if (signal !== undefined) child.kill(signal);
      return await within(status, `the end of ${script}`);
    },
    asked: async () => {
      await status;
      const lines = (await Deno.readTextFile(log)).trim().split("\n");
      return lines.filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Asked);
    },
    [Symbol.asyncDispose]: async () => {
      if (running) child.kill("SIGKILL");
      await status;
      await Deno.remove(log);
    },
  };
}

/**
 * What a role asked for beyond the network and files below `read` and `write`,
 * which may be relative to where it was started.
 */
async function beyond(
  role: AuditedRole,
  { cwd = ROOT, read = [], write = [] }: {
    cwd?: string;
    read?: string[];
    write?: string[];
  } = {},
): Promise<string[]> {
  const isBelow = (value: string | null, folders: readonly string[]) => {
    const path = resolve(cwd, value ?? "/");
    return folders.map((folder) => resolve(cwd, folder))
      .some((folder) => path === folder || path.startsWith(`${folder}/`));
  };
  const asked = await role.asked();
  assert(asked.some(({ permission }) => permission === "net"), "none noted");
  return asked
    .filter(({ permission, value }) => {
      if (permission === "net") return false;
      const folders = { read, write }[permission];
      return folders === undefined || !isBelow(value, folders);
    })
    .map(({ permission, value }) => `${permission} ${value}`);
}

const DOCUMENTS = (await Promise.all(
  ["README.md", "docs/GUIDE.md"].map((name) =>
    Deno.readTextFile(join(ROOT, name))
  ),
)).join("\n");

/** The permissions of the first documented line for a script that matches. */
function documented(script: string, rest: RegExp): string[] {
  const lines = [...DOCUMENTS.matchAll(
    /^(?:\$ )?deno run ((?:--allow-\S+ )+)(\S+\.ts) ?(.*)$/gm,
  )];
  const found = lines.find(([, , name, words = ""]) =>
    name === script && rest.test(words)
  );
  assert(found !== undefined, `${script} ${rest}`);
  return found[1]!.trim().split(" ");
}

Deno.test("Relay, node and every command that saves nothing need only the documented permissions", async () => {
  const ofRelay = documented("relay.ts", /^1700$/);
  const ofNode = documented("peer_node.ts", /files\/one$/);
  const ofClient = documented("peer_client.ts", /^127\.0\.0\.1 1700$/);
  assertEquals([ofRelay, ofNode, ofClient], [
    ["--allow-net"],
    ["--allow-net", "--allow-read=files/one"],
    ["--allow-net"],
  ]);
  await using relay = await spawnAudited(ofRelay, [
    ...["relay.ts", "--host", "127.0.0.1", "--metrics", "127.0.0.1:0"],
    ...["--log", "json", "--motd", "hello", "0"],
  ]);
  const [, url = ""] = await relay.stdout.until(/^metrics on (.*)$/);
  const [, address = ""] = await relay.stdout.until(/^relay address (.*)$/);
  const [, port = ""] = await relay.stdout.until(
    /^relay listening on .*:(\d+)$/,
  );
  await using node = await spawnAudited(ofNode, [
    ...["peer_node.ts", "--host", "127.0.0.1", "--metrics", "127.0.0.1:0"],
    ...["--limit-rate", "1G", "--name", "alpha", address, "0", "files/one"],
  ]);
  const [, nodeUrl = ""] = await node.stdout.until(/^metrics on (.*)$/);
  await node.stdout.until(/^registered/);
  for (const at of [url, nodeUrl]) {
    for (const page of [at, at.replace(/metrics$/, "healthz")]) {
      const answer = await fetch(page);
      assertEquals([answer.status, (await answer.text()) !== ""], [200, true]);
    }
  }
  for (
    const [words, code] of [
      [[], 0],
      [["nodes"], 0],
      [["ls"], 0],
      [["ls", "*.txt"], 0],
      [["cat", "letter.txt"], 0],
      [["get", "letter.txt", "-o", "-"], 0],
      [["cat", "none.txt"], 4],
    ] as const
  ) {
    for (const at of [["127.0.0.1", port], [address]]) {
      await using client = await spawnAudited(ofClient, [
        ...["peer_client.ts", ...at, ...words],
      ], { input: "1.txt\n" });
      assertEquals(await client.end(), code, client.stderr.all.join("\n"));
      assertEquals(await beyond(client), [], words.join(" "));
    }
  }
  assertEquals(await node.end("SIGTERM"), 0);
  assertEquals(await relay.end("SIGTERM"), 0);
  assertEquals(await beyond(node, { read: ["files/one"] }), []);
  assertEquals(await beyond(relay), []);
});

Deno.test("Keeping state and saving files needs only the documented permissions", async () => {
  await using folder = await tempShare({ "one/a.txt": "whole\n" });
  const { path } = folder;
  // As the documents have them, with this folder's names.
  const ofRelay = documented("relay.ts", /--state/);
  const ofClient = documented("peer_client.ts", /get /);
  assertEquals(ofRelay, [
    "--allow-net",
    "--allow-read=state",
    "--allow-write=state",
  ]);
  assertEquals(ofClient, [
    "--allow-net",
    "--allow-read=.",
    "--allow-write=.",
  ]);
  for (let run = 0; run < 2; run++) {
    await using relay = await spawnAudited(ofRelay, [
      ...["relay.ts", "--host", "127.0.0.1", "--state", "state", "0"],
    ], { cwd: path });
    const [, address = ""] = await relay.stdout.until(/^relay address (.*)$/);
    await using node = await spawnAudited([
      ...["--allow-net", "--allow-read=one,kept", "--allow-write=kept"],
    ], [
      ...["peer_node.ts", "--host", "127.0.0.1", "--state", "kept"],
      ...[address, "0", "one"],
    ], { cwd: path });
    await node.stdout.until(/^registered/);
    await using client = await spawnAudited(ofClient, [
      ...["peer_client.ts", "--known-relays", "known"],
      ...[address.replace(/^p2p:\/\/(.*)\/.*$/, "$1"), "get", "a.txt"],
      ...["--overwrite", "-o", "saved.txt"],
    ], { cwd: path });
    // The second relay is the first one again: it is known.
    assertEquals(await client.end(), 0, client.stderr.all.join("\n"));
    assertEquals(await Deno.readTextFile(join(path, "saved.txt")), "whole\n");
    await node.end("SIGTERM");
    await relay.end("SIGTERM");
    const ofState = { cwd: path, read: ["state"], write: ["state"] };
    const ofShare = { cwd: path, read: ["one", "kept"], write: ["kept"] };
    assertEquals(await beyond(relay, ofState), []);
    assertEquals(await beyond(node, ofShare), []);
    const ofTarget = { cwd: path, read: ["."], write: ["."] };
    assertEquals(await beyond(client, ofTarget), []);
    await Deno.remove(join(path, "saved.txt"));
    await Deno.remove(join(path, "known")); // its port is another each time
  }
});

Deno.test("The audit reports a permission that is requested and denied", async () => {
  await using other = await spawnAudited([], ["tests/reference.ts"]);
  assertEquals(await other.end(), 1);
  const asked = await other.asked();
  assert(asked.some(({ permission }) => permission === "read"));
});

Deno.test("Relay and node start from a checkout behind a symbolic link, with the documented permissions", async () => {
  await using folder = await tempShare({ "share/a.txt": "whole\n" });
  const checkout = join(folder.path, "checkout");
  const share = join(folder.path, "share");
  await Deno.symlink(resolve(ROOT), checkout);
  const start = (permissions: readonly string[], ...args: string[]) =>
    spawnCommand([
      ...[Deno.execPath(), "run", "--no-prompt", "--allow-net"],
      ...permissions,
      ...args,
    ]);
  await using relay = start([], join(checkout, "relay.ts"), "0");
  const [, address = ""] = await relay.stdout.until(/^relay address (p2p:.*)$/);
  await using node = start(
    [`--allow-read=${share}`],
    ...[join(checkout, "peer_node.ts"), address, "0", share],
  );
  await node.stdout.until(/^registered with /);
});
