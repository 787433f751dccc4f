import { assertEquals } from "@std/assert";
import { spawnRole } from "../../e2e/_processes.ts";
import { tempShare } from "../../_temp_share.ts";

const WARNING = /^warning: another relay with this identity answers at /;

function relayWith(state: string, ...words: string[]) {
  return spawnRole("relay.ts", [...words, "--state", state, "0"], {
    permissions: [`--allow-read=${state}`, `--allow-write=${state}`],
  });
}

const isReady = /^relay address /;

/** Resolves when a file of a folder has something in it. */
async function written(folder: string, name: string): Promise<void> {
  const isWritten = () =>
    Deno.readTextFile(`${folder}/${name}`).then((it) => it !== "", () => false);
  using changes = Deno.watchFs(folder);
  if (await isWritten()) return;
  for await (const _ of changes) if (await isWritten()) return;
}

Deno.test("A relay whose state was copied from one that still runs warns at its start, each time, and says what to do", async () => {
  await using folder = await tempShare({});
  const [first, second] = [`${folder.path}/first`, `${folder.path}/second`];
  await using one = relayWith(first, "--host", "127.0.0.1");
  const [, at] = await one.stdout.until(/^relay address p2p:\/\/([^/]+)\//);
  await written(first, "address");
  await Deno.mkdir(second);
  for await (const { name } of Deno.readDir(first)) {
    await Deno.copyFile(`${first}/${name}`, `${second}/${name}`);
  }
  for (let start = 0; start < 2; start++) {
    await using two = relayWith(second);
    await two.stdout.until(isReady);
    assertEquals(two.stderr.all.filter((line) => WARNING.test(line)), [
      `warning: another relay with this identity answers at ${at}, and each ` +
      "lists only the nodes that register with it; start this one with " +
      "another --state folder, or both with --cluster URL",
    ]);
  }
  one.signal("SIGKILL");
  await one.exitCode;
  await using moved = relayWith(second);
  await moved.stdout.until(isReady);
  assertEquals(moved.stderr.all.filter((line) => WARNING.test(line)), []);
});

Deno.test("A relay waits duplicateAnswerMs for one that may have its identity, and then starts", async () => {
  await using folder = await tempShare({});
  const state = `${folder.path}/state`;
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const id = await idOf(state);
  await Deno.writeTextFile(
    `${state}/address`,
    `p2p://127.0.0.1:${silent.addr.port}/${id}\n`,
  );
  await using relay = relayWith(state);
  await relay.stdout.until(isReady);
  assertEquals(relay.stderr.all.filter((line) => WARNING.test(line)), []);
});

/** The id of a relay with a new state. */
async function idOf(state: string): Promise<string> {
  await using relay = relayWith(state);
  const [, id = ""] = await relay.stdout.until(/^relay id (\w{52})$/);
  return id;
}
