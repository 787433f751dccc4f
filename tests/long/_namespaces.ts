/**
 * A network of its own for one test: namespaces that are joined by virtual
 * cables, with a packet filter in each. For root on Linux.
 */

import { hasTool } from "../_tools.ts";
import { within } from "../_event_log.ts";

const TOOLS = ["ip", "nft", "tcpdump"];

/** Why there can be no such network here; nothing where there can. */
export async function missingForNamespaces(): Promise<string | undefined> {
  const missing = TOOLS.filter((tool) => !hasTool(tool));
  if (missing.length > 0) return `${missing.join(", ")} not installed`;
  try {
    await using _network = await openNetwork();
    return undefined;
  } catch {
    return "no network namespaces for this user";
  }
}

/** One machine of the network, by the command that enters it. */
export interface Machine {
  /** Runs what follows there. */
  readonly prefix: readonly string[];
  /** Replaces what its packet filter drops: rules for what comes in. */
  drop(...rules: readonly string[]): Promise<void>;
}

/**
 * The client and the node know only the way to the relay, each by a cable of
 * its own, and the relay passes no packets on. Disposing removes all of it.
 */
export interface Network extends AsyncDisposable {
  readonly client: Machine;
  readonly relay: Machine;
  readonly node: Machine;
  /** Where the client finds the relay, and where it is itself. */
  readonly toClient: { readonly relay: string; readonly own: string };
  /** Where the node finds the relay, and where it is itself. */
  readonly toNode: { readonly relay: string; readonly own: string };
  /** The relay's ends of the two cables. */
  readonly legs: readonly string[];
}

/** Makes a network. */
export async function openNetwork(): Promise<Network> {
  // Names of cables have at most 15 characters.
  const name = `rp${crypto.randomUUID().slice(0, 8)}`;
  const [client, relay, node] = ["c", "r", "n"].map((role) => `${name}${role}`);
  const spaces = [client!, relay!, node!];
  const guard = startGuard(spaces);
  try {
    for (const space of spaces) {
      await run(["ip", "netns", "add", space]);
      await run(["ip", "-n", space, "link", "set", "lo", "up"]);
    }
    await connect(relay!, client!, "10.77.2");
    await connect(relay!, node!, "10.77.1");
    // A client that is sent to the relay for others does not connect again.
    await run([
      ...["ip", "netns", "exec", relay!, "sh", "-c"],
      "echo 0 > /proc/sys/net/ipv4/ip_forward",
    ]);
  } catch (error) {
    await guard.end();
    throw error;
  }
  return {
    client: machineOf(client!),
    relay: machineOf(relay!),
    node: machineOf(node!),
    toClient: { relay: "10.77.2.1", own: "10.77.2.2" },
    toNode: { relay: "10.77.1.1", own: "10.77.1.2" },
    legs: [`${client}0`, `${node}0`],
    [Symbol.asyncDispose]: () => guard.end(),
  };
}

/** A cable from the relay to another, which sends there what it cannot place. */
export async function connect(
  relay: string,
  other: string,
  subnet: string,
): Promise<void> {
  const [near, far] = [`${other}0`, `${other}1`];
  await run([
    ...["ip", "-n", relay, "link", "add", near, "type", "veth"],
    ...["peer", "name", far, "netns", other],
  ]);
  for (
    const [space, end, address] of [
      [relay, near, `${subnet}.1/24`],
      [other, far, `${subnet}.2/24`],
    ] as const
  ) {
    await run(["ip", "-n", space, "address", "add", address, "dev", end]);
    await run(["ip", "-n", space, "link", "set", end, "up"]);
  }
  await run([
    ...["ip", "-n", other, "route", "add", "default", "via", `${subnet}.1`],
  ]);
}

function machineOf(space: string): Machine {
  const prefix = ["ip", "netns", "exec", space];
  return {
    prefix,
    drop: async (...rules) => {
      const lines = rules.map((rule) => `${rule} drop\n`).join("");
      await run(
        [...prefix, "nft", "-f", "-"],
        "flush ruleset\ntable inet filter { chain input {\n" +
          `type filter hook input priority 0\niifname lo accept\n${lines}}\n}\n`,
      );
    },
  };
}

/** What opens a connection. */
export const NEW_CONNECTIONS = "tcp flags & (syn | ack) == syn";

/** Runs a command that must succeed. */
export async function run(
  [program = "", ...args]: readonly string[],
  input = "",
): Promise<void> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stderr } = await within(child.output(), args.join(" "));
  if (code === 0) return;
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`${program} ${args.join(" ")}: ${said}`);
}

/**
 * Removes namespaces, and ends what runs in them, when it is stopped or when
 * this process has ended in whatever way: it waits for the end of its input.
 */
export function startGuard(
  spaces: readonly string[],
): { end(): Promise<void> } {
  const child = new Deno.Command("setsid", {
    args: ["sh", "-c", GUARD, "sh", ...spaces],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    end: async () => {
      await child.stdin.close();
      await within(child.status, "the end of the network");
    },
  };
}

const GUARD = `trap '' INT TERM HUP
cat
for space; do
  ip netns pids "$space" | xargs -r kill -9
  ip netns del "$space"
done`;

/** A capture that runs. Disposing ends it. */
export interface Capture extends AsyncDisposable {
  /** Ends it; all that was captured, as the file has it. */
  end(): Promise<Uint8Array<ArrayBuffer>>;
}

/** Records, whole, every packet on the relay's cables. */
export async function startCapture(
  { relay, legs }: Network,
  folder: { path: string },
): Promise<Capture> {
  const captures = await Promise.all(
    legs.map((leg) => captureOne(relay, leg, `${folder.path}/${leg}.pcap`)),
  );
  return {
    end: async () => {
      const parts = await Promise.all(captures.map(({ end }) => end()));
      const all = new Uint8Array(
        parts.reduce((sum, { length }) => sum + length, 0),
      );
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(captures.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

async function captureOne(
  { prefix: [program = "", ...entering] }: Machine,
  leg: string,
  path: string,
) {
  const child = new Deno.Command(program, {
    args: [
      ...[...entering, "tcpdump", "-i", leg, "-w", path, "-Z", "root"],
      ...["-s", "0", "-B", "131072", "-U", "-n"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said: string[] = [];
  const listening = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (
      const text of child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      said.push(text);
      if (text.includes("listening on")) listening.resolve();
    }
    listening.reject(new Error(said.join("")));
  })();
  let ending: Promise<void> | undefined;
  const end = () =>
    ending ??= (async () => {
      try {
        child.kill("SIGINT");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // ended just now
      }
      await within(child.status, "the end of the capture");
      await reading;
    })();
  try {
    await within(listening.promise, "tcpdump");
  } catch (error) {
    await end();
    throw error;
  }
  return {
    end: async () => {
      await end();
      const dropped = /(\d+) packets dropped by kernel/.exec(said.join(""));
      if (dropped?.[1] !== "0") throw new Error(said.join(""));
      return await Deno.readFile(path);
    },
    [Symbol.asyncDispose]: end,
  };
}
