/**
 * A relay, two nodes and clients that print events, each of which is compared
 * with its schema.
 */

import { assert, assertEquals } from "@std/assert";
import { Value } from "@sinclair/typebox/value";
import { join } from "@std/path";
import { LIMITS } from "../../lib/base/limits.ts";
import { spawnRole } from "../e2e/_processes.ts";
import { type EventName, EVENTS, schemaOf } from "../_events_schema.ts";
import { type HereOptions, runRoleHere } from "../_here.ts";
import { randomBytes, seededRandom } from "../_random.ts";
import { tempShare } from "../_temp_share.ts";

const ALWAYS: ReadonlySet<string> = new Set(Object.keys(EVENTS));

/** Checks a line; its event. */
export function checkLine(line: string): EventName {
  const event = JSON.parse(line) as { v: number; event: EventName };
  assertEquals(event.v, 1, line);
  assert(ALWAYS.has(event.event), line);
  const schema = schemaOf(event.event);
  const [error] = [...Value.Errors(schema, event)];
  assertEquals(error && `${error.path}: ${error.message}`, undefined, line);
  return event.event;
}

/** Checks lines; the names of their events, each once. */
export function checkAll(lines: readonly string[]): Set<EventName> {
  assert(lines.length > 0);
  return new Set(lines.map(checkLine));
}

/** Runs a client to its end, and checks what it says. */
async function client(
  args: readonly string[],
  options: HereOptions,
): Promise<{ code: number; names: Set<EventName>; lines: string[] }> {
  const outcome = await runRoleHere(
    "peer_client.ts",
    ["--json", ...args],
    options,
  );
  const lines = outcome.text.split("\n").slice(0, -1);
  return { code: outcome.code, names: checkAll(lines), lines };
}

export const CONTENT = randomBytes(4_000_000, seededRandom(3));
export const NEWEST = ["--prefer", "newest"];

/** A relay and two nodes, and all events that were seen. */
export class Scene implements AsyncDisposable {
  readonly seen = new Set<EventName>();
  readonly #stack = new AsyncDisposableStack();
  readonly relay = this.#stack.use(
    spawnRole("relay.ts", [
      ...["--json", "--host", "127.0.0.1", "--metrics", "127.0.0.1:0"],
      ...["--motd", "away on \u202eSunday", "0"],
    ]),
  );
  address = "";
  port = "";
  /** The folder of the first node, and that of clients. */
  share = "";
  folder = "";
  readonly #nodes: ReturnType<typeof spawnRole>[] = [];

  static async start(): Promise<Scene> {
    const scene = new Scene();
    await scene.#start();
    return scene;
  }

  async #start(): Promise<void> {
    const stack = this.#stack;
    const share = stack.use(
      await tempShare({
        "f": CONTENT,
        "sub/1.txt": "one",
        "zeros": new Uint8Array(1_000_000),
      }),
    );
    this.share = share.path;
    const other = stack.use(await tempShare({ "sub/1.txt": "another" }));
    await Deno.utime(join(other.path, "sub/1.txt"), 1, 1);
    for (let n = 0; n <= LIMITS.skippedNameCount; n++) {
      await Deno.symlink("nowhere", join(other.path, `${n}`));
    }
    this.folder = stack.use(await tempShare()).path;
    const [line] = await this.relay.stdout.until(/^.*"relay_listening".*$/);
    const { address, port } = JSON.parse(line);
    this.address = address;
    this.port = `${port}`;
    this.#startNode(this.share, "--name", "al\u202epha");
    const beta = ["--name", "beta", "--tunnel", "--list-skipped"];
    await this.#startNode(other.path, ...beta).stdout.until(/"attached"/);
    for (const node of this.#nodes) {
      await node.stdout.until(/"hashed"/);
      await node.stdout.until(/"registered"/);
    }
  }

  #startNode(path: string, ...options: string[]) {
    const node = this.#stack.use(
      spawnRole("peer_node.ts", [
        ...["--json", "--host", "127.0.0.1", "--limit-rate", "3M", ...options],
        ...["127.0.0.1", this.port, "0", path],
      ], { permissions: [`--allow-read=${path}`] }),
    );
    this.#nodes.push(node);
    return node;
  }

  /** Where clients save. */
  get to(): string[] {
    return ["-o", `${this.folder}/`];
  }

  see(lines: readonly string[]): Set<EventName> {
    const names = checkAll(lines);
    for (const name of names) this.seen.add(name);
    return names;
  }

  /** Runs a client, which ends with `code` after the events that are wanted. */
  async run(
    code: number,
    wanted: readonly EventName[],
    args: readonly string[],
    options: HereOptions = {},
  ): Promise<void> {
    const outcome = await client(args, options);
    assertEquals(outcome.code, code, outcome.lines.join("\n"));
    for (const name of wanted) {
      assert(outcome.names.has(name), `${name} in ${outcome.lines.join("\n")}`);
    }
    if (code !== 0) assertEquals(checkLine(outcome.lines.at(-1)!), "error");
    for (const name of outcome.names) this.seen.add(name);
  }

  /** Ends relay and nodes, and checks all that they wrote. */
  async end(): Promise<void> {
    for (const node of this.#nodes) node.signal("SIGTERM");
    for (const node of this.#nodes) await node.exitCode;
    await this.relay.stdout.until(/"node_detached"/);
    this.relay.signal("SIGTERM");
    await this.relay.exitCode;
    for (const role of [this.relay, ...this.#nodes]) {
      this.see(role.stdout.all);
      assertEquals(role.stderr.all, []);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
