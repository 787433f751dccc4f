/**
 * A client that receives a file while its disk fails, or until it dies.
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { partialPathOf } from "../../lib/disk/partial_name.ts";
import { runRoleHere } from "../_here.ts";
import { startNode, startRelay } from "../_network.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";
import { filesIn } from "../client/_outcomes.ts";
import { runRole } from "../e2e/_processes.ts";
import { type Injection, KILLED, runClientWith } from "./_strace.ts";

export const PIECE = 256 * 1024;

export const FILES = {
  // Written at once, and piece by piece to a file that is taken up again.
  small: randomBytes(5_000, seededRandom(1)),
  large: randomBytes(5 * PIECE + 77, seededRandom(2)),
  // Enough for a lane: a worker verifies and writes its pieces.
  huge: randomBytes(66 * PIECE + 77, seededRandom(3)),
} as const;

export type Name = keyof typeof FILES;

export const OLD = new TextEncoder().encode("what was there before");

/** What a run is made in. */
interface Scene {
  readonly name: Name;
  /** What is there already. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly overwrite?: boolean;
  readonly injections: readonly Injection[];
  /** Where: on all paths of the file by default. */
  readonly on?: "partial" | "folder" | "anything";
}

/** What is there after the first run, and how it ended. */
interface Aftermath {
  readonly code: number;
  readonly line: string;
  /** What is under the final name. */
  readonly final: Uint8Array | null;
  /** What there is beside it. */
  readonly beside: readonly string[];
}

/**
 * Runs the client with a fault, passes what it left to `judge`, and runs it again:
 * then exactly the wanted file must be there.
 */
export async function through(
  scene: Scene,
  judge: (aftermath: Aftermath) => void | Promise<void>,
): Promise<void> {
  const { name, overwrite, injections } = scene;
  await using relay = await startRelay();
  await using node = await startNode(relay, { [name]: FILES[name] });
  await node.log.until("hashed");
  await using folder = await tempShare(scene.files);
  const final = join(folder.path, name);
  const partial = partialPathOf(final);
  const args = [
    ...(overwrite ? ["--overwrite"] : []),
    ...[relay.server.relayAddress, "get", name, "-o", `${folder.path}/`],
  ];
  const paths = { partial: [partial], folder: [folder.path], anything: [] };
  const { code, stderr, injected } = await runClientWith(args, {
    injections,
    paths: scene.on === undefined
      ? [final, partial, folder.path]
      : paths[scene.on],
    folder: folder.path,
  });
  const [line = ""] = stderr;
  assert(injected.length > 0, `nothing went wrong: ${code} ${line}`);
  if (code === KILLED) assertEquals(stderr, []);
  else assertEquals(stderr.length, code === 0 ? 0 : 1, stderr.join("\n"));
  const beside = filesIn(folder.path).filter((one) => one !== name);
  const found = await Deno.readFile(final).catch(() => null);
  const wasThere = scene.files?.[name];
  const allowed = [FILES[name], wasThere];
  const isRight = found === null ||
    allowed.some((bytes) => bytes !== undefined && isSame(found, bytes));
  assert(isRight, `${found?.length} wrong bytes under the final name`);
  await judge({ code, line, final: found, beside });

  // What a process does once, such as asking for its umask, this one has done.
  const again = scene.on === "anything"
    ? await runRole("peer_client.ts", args, {
      permissions: [
        `--allow-read=${folder.path}`,
        `--allow-write=${folder.path}`,
      ],
    })
    : await runRoleHere("peer_client.ts", args);
  assertEquals(again.code, 0, again.stderr.join("\n"));
  assert(isSame(await Deno.readFile(final), FILES[name]), "the right bytes");
  assertEquals(filesIn(folder.path), [name], "and nothing beside them");
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Half of what is wanted, from an earlier run. */
export function halfOf(name: Name): Record<string, Uint8Array> {
  const half = FILES[name].slice(0, 2 * PIECE);
  return { [partialPathOf(name)]: half };
}
