/**
 * The whole assignment on real files with real processes: a relay, three nodes,
 * a client. Prints what it runs, so that it can be typed after. Ends everything
 * it started. `deno task demo`.
 */

import { join } from "@std/path";
import {
  commandLine,
  type RoleProcess,
  ROOT,
  spawnRole,
} from "./e2e/_processes.ts";

const HOST = "127.0.0.1";

function say(text = ""): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}

/** Shows a command as a person would type it. */
function show(script: string, args: readonly string[], options: string): void {
  say(`$ deno run --allow-net${options} ${script} ${args.join(" ")}`);
}

/** Starts a server and shows what it says up to `last`. */
async function start(
  script: string,
  args: readonly string[],
  options: { permissions?: readonly string[]; last: RegExp },
): Promise<RoleProcess> {
  const permissions = options.permissions ?? [];
  show(
    script,
    args,
    permissions.map((permission) => ` ${permission}`).join(""),
  );
  const role = spawnRole(script, args, { permissions });
  await role.stdout.until(options.last);
  for (const line of role.stdout.all) say(`  ${line}`);
  say();
  return role;
}

/** Runs the client to its end, both outputs as one, as on a terminal. */
async function client(
  args: readonly string[],
  options: { input?: string; shown: boolean },
): Promise<{ code: number; stdout: Uint8Array }> {
  const line = commandLine("peer_client.ts", args);
  const child = new Deno.Command("sh", {
    args: ["-c", options.shown ? 'exec "$@" 2>&1' : 'exec "$@"', "sh", ...line],
    cwd: ROOT,
    stdin: "piped",
    stdout: options.shown ? "inherit" : "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(options.input ?? ""));
  await input.close();
  if (!options.shown) return await child.output();
  return { code: (await child.status).code, stdout: new Uint8Array() };
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the demo went wrong: ${what}`);
}

const startedAt = performance.now();
await using stack = new AsyncDisposableStack();

say("1. A relay, which knows who is there. Port 0: the system picks one.\n");
const relay = stack.use(
  await start("relay.ts", ["--host", HOST, "0"], { last: /^relay address/ }),
);
const [, port = ""] = await relay.stdout.until(/^relay listening on .*:(\d+)$/);

say("2. Three peer nodes. Each may read just the folder it shares.\n");
const nodes: RoleProcess[] = [];
for (
  const [name, folder] of [["alpha", "one"], ["beta", "two"], [
    "gamma",
    "three",
  ]]
) {
  const directory = `files/${folder}`;
  const args = ["--name", name!, "--host", HOST, HOST, port, "0", directory];
  nodes.push(stack.use(
    await start("peer_node.ts", args, {
      permissions: [`--allow-read=${directory}`],
      last: /^registered/,
    }),
  ));
}

say("3. A client asks for 3.txt, which only the third node has.\n");
show("peer_client.ts", [HOST, port], "");
const found = await client([HOST, port], { input: "3.txt\n", shown: true });
check(found.code === 0, "3.txt was not fetched");

say("\n4. A file that nobody has.\n");
show("peer_client.ts", [HOST, port], "");
const missing = await client([HOST, port], { input: "9.txt\n", shown: true });
say(`  (exit code ${missing.code})`);
check(missing.code === 4, "9.txt should not have been found");

say(
  "\n5. A picture, to stdout and nothing else there, compared byte by byte.\n",
);
const picture = "pictures/relay.png";
show(
  "peer_client.ts",
  ["--quiet", HOST, port, "cat", picture, "> relay.png"],
  "",
);
const { stdout } = await client(["--quiet", HOST, port, "cat", picture], {
  shown: false,
});
const original = await Deno.readFile(join(ROOT, "files/three", picture));
const same = stdout.length === original.length &&
  stdout.every((byte, index) => byte === original[index]);
check(same, "the picture differs");
say(`  ${stdout.length} bytes, the same as files/three/${picture}`);

say("\n6. A node that is stopped withdraws at once.\n");
const [alpha] = nodes;
alpha?.signal("SIGTERM");
check(await alpha?.exitCode === 0, "alpha did not leave well");
show("peer_client.ts", [HOST, port, "nodes"], "");
const listed = await client([HOST, port, "nodes"], { shown: true });
check(listed.code === 0, "the nodes were not listed");

for (const role of [...nodes.slice(1), relay]) {
  role.signal("SIGTERM");
  check(await role.exitCode === 0, "a role did not end well");
}
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
say(`\nAll ended. That took ${seconds} s.`);
