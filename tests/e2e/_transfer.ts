/**
 * Fetches by real processes, with their events, the files that they left, and
 * their memory use.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import {
  type Lines,
  type RoleProcess,
  runRole,
  spawnNode,
  type spawnRelay,
  spawnRole,
} from "./_processes.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
/** Bytes of a piece of all files here. */
export const PIECE = 256 * KIB;

/** An event as a script prints it with `--json`. */
export interface FileReply {
  readonly event: string;
  readonly name: string;
  readonly bytes: number;
  readonly from: readonly { node: { name: string }; bytes: number }[];
}

/** All events that a role has printed, in order. */
export function eventsOf({ all }: Lines): FileReply[] {
  return all.map((line) => JSON.parse(line) as FileReply);
}

/** The one event of that name. */
export function only(lines: Lines, event: string): FileReply {
  const found = eventsOf(lines).filter((reported) => reported.event === event);
  assertEquals(found.length, 1, `events ${event} in ${lines.all.join("\n")}`);
  return found[0]!;
}

/** Bytes by the name of the node they came from. */
export function bytesFrom({ from }: FileReply): Record<string, number> {
  return Object.fromEntries(from.map(({ node, bytes }) => [node.name, bytes]));
}

/** Progress of which so many digits are there: 7 of them are a megabyte. */
export function received(digits: number): RegExp {
  return new RegExp(`"event":"progress","received":\\d{${digits}}`);
}

/** What a client needs to save in a folder. */
export function accessTo(
  folder: { path: string },
): { permissions: string[] } {
  const { path } = folder;
  return { permissions: [`--allow-read=${path}`, `--allow-write=${path}`] };
}

/** A relay process, or one in this process. */
export type AnyRelay =
  | Pick<Awaited<ReturnType<typeof spawnRelay>>, "address">
  | { server: { relayAddress: string } };

function addressOf(relay: AnyRelay): string {
  return "address" in relay ? relay.address : relay.server.relayAddress;
}

/** Arguments of a client that gets files into a folder. */
export function getArgs(
  relay: AnyRelay,
  folder: { path: string },
  words: readonly string[] = ["f"],
): string[] {
  return [addressOf(relay), "get", ...words, "-o", `${folder.path}/`];
}

/** Starts a client that gets files into a folder, and prints events. */
export function spawnGet(
  relay: AnyRelay,
  folder: { path: string },
  words: readonly string[] = ["f"],
): RoleProcess {
  const args = ["--json", ...getArgs(relay, folder, words)];
  return spawnRole("peer_client.ts", args, accessTo(folder));
}

/** Gets files into a folder, with output for people. */
export function runGet(
  relay: AnyRelay,
  folder: { path: string },
  words: readonly string[] = ["f"],
): ReturnType<typeof runRole> {
  const args = getArgs(relay, folder, words);
  return runRole("peer_client.ts", args, accessTo(folder));
}

/** Starts nodes of these names, which share a folder. */
export function spawnNodes(
  relay: { port: string },
  folder: { path: string },
  names: readonly string[],
  args: readonly string[] = [],
): ReturnType<typeof spawnNode>[] {
  return names.map((name) =>
    spawnNode(relay.port, folder.path, ["--name", name, ...args])
  );
}

/** Bytes of files that a node sent to its first client, counted once that disconnected. */
export async function sentBytes({ stderr }: RoleProcess): Promise<number> {
  const [, bytes] = await stderr.until(/^sent .*, (\d+) bytes, to /);
  return Number(bytes);
}

/** The peak memory of a process; 0 once it has ended. */
export async function peakBytesOf(pid: number): Promise<number> {
  // By another process: Deno gives /proc only to those with all permissions.
  const { stdout } = await new Deno.Command("cat", {
    args: [`/proc/${pid}/status`],
    stderr: "null",
  }).output();
  const status = new TextDecoder().decode(stdout);
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * KIB;
}

/** Names in a folder, those of partial files included. */
export function namesIn({ path }: { path: string }): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).toSorted();
}

/** That a file was saved with that content, and that nothing else was. */
export async function assertSaved(
  folder: { path: string },
  content: Uint8Array,
  name = "f",
): Promise<void> {
  assertEquals(namesIn(folder), [name]);
  const saved = await Deno.readFile(join(folder.path, name));
  assertEquals(saved.length, content.length, "bytes of the file");
  const at = saved.findIndex((byte, index) => byte !== content[index]);
  assertEquals(at, -1, "first byte that differs");
}

/** Makes a file of that size without any content, and writes some bytes to it. */
export async function writeSparse(
  path: string,
  size: number,
  marks: Readonly<Record<number, Uint8Array>> = {},
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  await file.truncate(size);
  for (const [position, bytes] of Object.entries(marks)) {
    await file.seek(Number(position), Deno.SeekMode.Start);
    assertEquals(await file.write(bytes), bytes.length);
  }
}

/** Polls until a condition holds that no event reports. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  what: string,
  { deadlineMs = 60_000, everyMs = 5 } = {},
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!await isTrue()) {
    if (performance.now() > deadline) throw new Error(`never saw ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Prints a figure. */
export function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
