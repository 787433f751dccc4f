/**
 * A process that has no file descriptor left: what it takes of its files then,
 * and what others receive.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { Channel } from "../../../lib/protocol/channel.ts";
import { type Conn, writeAll } from "../../../lib/base/conn.ts";
import { greet } from "../../../lib/protocol/hello.ts";
import {
  createIdentity,
  formatIdentity,
} from "../../../lib/identity/identity.ts";
import { LIMITS } from "../../../lib/base/limits.ts";
import { encodeMessage } from "../../../lib/protocol/messages.ts";
import { within } from "../../_event_log.ts";
import { randomBytes, seededRandom } from "../../_random.ts";
import { nodeHere, relayHere } from "../../_scenery.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { dialFrom } from "../../bench/_big_relay.ts";
import { runRole, spawnRole } from "../../e2e/_processes.ts";
import type { WithoutRoom } from "../../faults/_share_without_room.ts";

const SCRIPT =
  new URL("../../faults/_share_without_room.ts", import.meta.url).pathname;
const CONTENT = "what is in the file\n";

function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name);
}

testWith(
  ["prlimit"],
  "Share without file descriptors forgets no file, and waits to read a new one",
  async () => {
    const key = formatIdentity(await createIdentity());
    await using folder = await tempShare({
      "share/a.txt": CONTENT,
      "share/sub/b.txt": CONTENT,
      "aside/key.pem": key,
      "aside/late/c.txt": CONTENT,
    });
    const { success, stdout, stderr } = await new Deno.Command("prlimit", {
      args: [
        ...["--nofile=64", Deno.execPath(), "run", "--no-prompt"],
        ...[`--allow-read=${folder.path}`, `--allow-write=${folder.path}`],
        ...[SCRIPT, join(folder.path, "share"), join(folder.path, "aside")],
      ],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const seen = JSON.parse(new TextDecoder().decode(stdout)) as WithoutRoom;
    assertEquals(seen, {
      isReadable: true,
      names: ["a.txt", "late/c.txt", "sub/b.txt"],
      hashed: "described",
    });
  },
);

testWith(
  ["prlimit"],
  "A node without file descriptors sends a file as soon as it has one again",
  async () => {
    await using folder = await tempShare({ "a.txt": CONTENT });
    await using relay = await relayHere();
    await using node = spawnRole(
      "peer_node.ts",
      ["--host", "127.0.0.1", "127.0.0.1", relay.port, "0", folder.path],
      { permissions: [`--allow-read=${folder.path}`] },
    );
    const [, port] = await node.stdout.until(/^node listening on .*:(\d+)$/);
    await node.stdout.until(/^registered with /);
    const at = { host: "127.0.0.1", port: Number(port) };
    using conn = await dialFrom("127.0.0.1", { at, plaintext: false });
    const channel = new Channel(conn, {
      limits: LIMITS,
      acceptsData: true,
      writeStallMs: 10_000,
      idleMs: 10_000,
    });
    await greet(channel, { role: "client" });
    const find = encodeMessage({ kind: "find", request: 1, name: "a.txt" });
    await writeAll(conn, find);
    const found = await channel.receive(["found"]);
    await limitDescriptors(node.pid, 3);
    const of = found?.version ?? "";
    const read = encodeMessage({
      ...{ kind: "read", request: 2, of, first: 0, count: 1 },
    });
    // The second answer leaves before the read is done: the node waits for it.
    await writeAll(conn, new Uint8Array([...find, ...read]));
    assertEquals((await channel.receive(["found"]))?.version, of);
    await limitDescriptors(node.pid, 1_024);
    const data = await channel.receiveOrData(["pieces"]);
    assertEquals(data?.kind, "data");
    const bytes = new Uint8Array(data?.kind === "data" ? data.length : 0);
    await channel.readData(bytes);
    assertEquals(new TextDecoder().decode(bytes), CONTENT);
  },
);

testWith(
  ["prlimit"],
  "A node serves a newcomer although clients of two addresses hold all of its file descriptors",
  async () => {
    await using folder = await tempShare({ "a.txt": CONTENT });
    await using relay = await relayHere();
    await using node = spawnRole(
      "peer_node.ts",
      ["--host", "127.0.0.1", "127.0.0.1", relay.port, "0", folder.path],
      { permissions: [`--allow-read=${folder.path}`] },
    );
    const [, port] = await node.stdout.until(/^node listening on .*:(\d+)$/);
    await node.stdout.until(/^registered with /);
    const at = { host: "127.0.0.1", port: Number(port) };
    const hello = encodeMessage({ kind: "hello", protocol: 1, role: "client" });
    const find = encodeMessage({ kind: "find", request: 1, name: "a.txt" });
    const greeting = new Uint8Array([...hello, ...find]);
    const open: Conn[] = [];
    const join = async (from: string) => {
      const conn = await dialFrom(from, { at, plaintext: false });
      open.push(conn);
      await writeAll(conn, greeting);
      return await conn.read(new Uint8Array(5)) !== null;
    };
    await limitDescriptors(node.pid, 64);
    for (let n = 0; n < 60; n++) {
      void join(`127.0.0.${2 + n % 2}`).catch(ignore);
    }
    await node.stderr.until(/^cannot accept connections/);
    // None of them leaves, and each is silent for as long as a client may be.
    let isServed = false;
    while (!isServed) {
      isServed = await within(join("127.0.0.9"), "the newcomer")
        .catch(() => false);
    }
    for (const conn of open) conn.close();
  },
);

function ignore(): void {}

async function limitDescriptors(pid: number, count: number): Promise<void> {
  const args = [`--nofile=${count}:4096`, "--pid", String(pid)];
  const { code } = await new Deno.Command("prlimit", { args }).output();
  assertEquals(code, 0);
}

testWith(
  ["prlimit"],
  "A client short of file descriptors saves nothing wrong, says what it lacks, and continues later",
  async () => {
    const random = seededRandom(12);
    const files = Object.fromEntries(
      Array.from({ length: 100 }, (_, n) => [
        `f${n}`,
        randomBytes(n % 50 === 0 ? 2 * 1024 ** 2 : 3_000, random),
      ]),
    );
    await using share = await tempShare(files);
    await using folder = await tempShare();
    await using relay = await relayHere();
    await using _node = await nodeHere(relay, share.path);
    const output = `${folder.path}/`;
    const get = (options: { prefix?: readonly string[] }) =>
      runRole(
        "peer_client.ts",
        ["127.0.0.1", relay.port, "get", "**", "-o", output],
        {
          permissions: [`--allow-read=${output}`, `--allow-write=${output}`],
          ...options,
        },
      );
    const wrong = () =>
      namesIn(output)
        .filter((name) => !name.startsWith("."))
        .filter((name) => {
          const saved = Deno.readFileSync(join(output, name));
          return !files[name]!.every((byte, at) => saved[at] === byte) ||
            saved.length !== files[name]!.length;
        });
    const { code, stderr } = await get({ prefix: ["prlimit", "--nofile=44"] });
    assertEquals(wrong(), []);
    // A quick disk closes each file before the next is opened.
    if (code !== 0) {
      assertMatch(stderr.join("\n"), /too many open files/i);
    }
    const again = await get({});
    assertEquals(again.code, 0, again.stderr.join("\n"));
    assertEquals(wrong(), []);
    const saved = namesIn(output);
    assertEquals(saved.toSorted(), Object.keys(files).toSorted());
  },
);
