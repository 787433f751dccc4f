/**
 * The programs that are compared, ours and others. Each is started when asked
 * for, with the servers it needs, and says what command is to be timed.
 */

import { commandLine, spawnRelay, spawnRole } from "../e2e/_processes.ts";
import type { Input, InputName, Inputs } from "./_inputs.ts";
import { hasLibtorrent } from "./_libtorrent.ts";
import {
  findProgram,
  serveFloor,
  serveNginx,
  serveRsync,
  serveTorrent,
  type Serving,
} from "./_servers.ts";

/** How many nodes share the file for slow nodes. */
export const SLOW_NODES = 4;
/** How many nodes have none of the files, beside the one that has them. */
export const OTHER_NODES = 7;
/** How fast each slow node is, in bytes a second. */
export const SLOW_NODE_RATE = 20e6;

// On a busy machine 10,000 files take a minute.
const HASHED_MS = 600_000;

/** A program that can be timed. */
export interface Contender {
  readonly label: string;
  readonly input: Input;
  /** The command that fetches the input into a folder. */
  readonly command: (output: string) => string[];
  /** The processes that serve it, where their processor time is known. */
  readonly nodes: readonly number[];
  /** Whether it is ours, and held to our bounds. */
  readonly isOurs?: boolean;
  /** Whether it finds what it brought in the run before. */
  readonly keepsOutput?: boolean;
}

/** What contenders are made on. Who made it disposes of its stack. */
export class Stage {
  readonly inputs: Inputs;
  readonly stack: AsyncDisposableStack;
  #nginx: Promise<Serving<"http" | "https">> | undefined;

  constructor(inputs: Inputs, stack: AsyncDisposableStack) {
    this.inputs = inputs;
    this.stack = stack;
  }

  /** One nginx for all that fetch from it. */
  nginx(directory: string): Promise<Serving<"http" | "https">> {
    return this.#nginx ??= serveNginx(directory, this.inputs.folder)
      .then((nginx) => this.stack.use(nginx));
  }
}

/** How to get a contender. */
export interface ContenderSpec {
  readonly label: string;
  readonly input: InputName;
  /** What of it is not installed. */
  readonly missing: () => Promise<string[]>;
  readonly start: (
    stage: Stage,
    input: Input,
  ) => Promise<Pick<Contender, "command"> & Partial<Contender>>;
}

/** The contenders, in the order in which they take turns. */
export const CONTENDERS = {
  oursTls: ours("big", "ours, TLS"),
  curlHttps: {
    label: "curl https",
    input: "big",
    missing: missingOf("nginx", "openssl", "curl"),
    start: curl("https"),
  },
  floorTls: floor("the floor, TLS", true),
  oursPlaintext: ours("big", "ours, plaintext", ["--plaintext"]),
  curlHttp: {
    label: "curl http",
    input: "big",
    missing: missingOf("nginx", "openssl", "curl"),
    start: curl("http"),
  },
  floorPlaintext: floor("the floor, plaintext", false),
  curlAndDigest: {
    label: "curl http, then openssl dgst",
    input: "big",
    missing: missingOf("nginx", "openssl", "curl"),
    start: async (stage, input) => {
      const { command } = await curl("http")(stage, input);
      // One process that does both, one after the other, as a person would.
      const script = `"$@" && openssl dgst -sha256 "$OUTPUT"`;
      return {
        command: (output) => [
          ...["env", `OUTPUT=${output}/${input.name}`, "sh", "-c", script],
          ...["sh", ...command(output)],
        ],
      };
    },
  },
  ariaHttps: {
    label: "aria2 https, 4 connections",
    input: "big",
    missing: missingOf("nginx", "openssl", "aria2c"),
    start: aria("https"),
  },
  ariaHttp: {
    label: "aria2 http, 4 connections",
    input: "big",
    missing: missingOf("nginx", "openssl", "aria2c"),
    start: aria("http"),
  },
  libtorrent: {
    label: "libtorrent",
    input: "big",
    missing: async () => await hasLibtorrent() ? [] : ["python3-libtorrent"],
    start: async ({ stack, inputs }, { directory, name }) =>
      stack.use(await serveTorrent(`${directory}/${name}`, inputs.folder)),
  },
  oursMany: ours("many", "ours, many files, TLS"),
  rsync: {
    label: "rsync, many files",
    input: "many",
    missing: missingOf("rsync"),
    start: rsync("-a"),
  },
  oursAgain: ours("many", "ours, all there already", [], {
    keepsOutput: true,
  }),
  rsyncAgain: {
    label: "rsync --checksum, all there already",
    input: "many",
    missing: missingOf("rsync"),
    start: rsync("-a", "--checksum"),
  },
  oursOfEight: ours("many", `ours, one of ${1 + OTHER_NODES} nodes`, [], {
    others: OTHER_NODES,
  }),
  oursSlow: ours("part", `ours, ${SLOW_NODES} slow nodes, TLS`, [], {
    nodes: SLOW_NODES,
    nodeArgs: ["--limit-rate", String(SLOW_NODE_RATE)],
  }),
} as const satisfies Readonly<Record<string, ContenderSpec>>;

/** The name of a contender. */
export type ContenderName = keyof typeof CONTENDERS;

/** Our relay, nodes and client; `args` are given to all three. */
function ours(
  input: InputName,
  label: string,
  args: readonly string[] = [],
  { nodes: count = 1, others = 0, nodeArgs = [], keepsOutput = false }: {
    nodes?: number;
    /** Further nodes, each with one file that is not asked for. */
    others?: number;
    nodeArgs?: readonly string[];
    keepsOutput?: boolean;
  } = {},
): ContenderSpec {
  return {
    label,
    input,
    missing: () => Promise.resolve([]),
    start: async ({ stack, inputs }, { directory, name }) => {
      const relay = stack.use(await spawnRelay([...args, "0"]));
      // An address with an id stands for encryption.
      const where = args.includes("--plaintext")
        ? ["127.0.0.1", relay.port]
        : [relay.address];
      const nodes: number[] = [];
      while (nodes.length < count + others) {
        const shared = nodes.length < count
          ? directory
          : await inputs.otherShare(nodes.length);
        const node = stack.use(spawnRole("peer_node.ts", [
          ...["--json", "--host", "127.0.0.1", ...args, ...nodeArgs],
          ...[...where, "0", shared],
        ], { permissions: [`--allow-read=${shared}`] }));
        nodes.push(node.pid);
        await node.stdout.until(/"event":"registered"/);
        await node.stdout.until(/"event":"hashed"/, HASHED_MS);
      }
      return {
        nodes,
        isOurs: true,
        keepsOutput,
        command: (output) =>
          commandLine("peer_client.ts", [
            ...[...args, ...where, "get", name, "-o", output],
          ], {
            permissions: [`--allow-read=${output}`, `--allow-write=${output}`],
          }),
      };
    },
  };
}

/** Bare loops of Deno that move, hash and write the same bytes in two lanes. */
function floor(label: string, tls: boolean): ContenderSpec {
  return {
    label,
    input: "big",
    missing: missingOf("openssl"),
    start: async ({ stack, inputs }, { directory, name, bytes }) => {
      const file = `${directory}/${name}`;
      const { pid, command } = stack.use(
        await serveFloor({ file, bytes, lanes: 2, tls }, inputs.folder),
      );
      return { nodes: [pid], command };
    },
  };
}

/** rsync from a daemon; with `--checksum` over what it brought before. */
function rsync(...options: readonly string[]): ContenderSpec["start"] {
  return async ({ stack, inputs }, { directory, name }) => {
    const server = stack.use(await serveRsync(directory, inputs.folder));
    const source = `${server.rsync}/${name.replace(/\/$/, "")}`;
    return {
      keepsOutput: options.includes("--checksum"),
      command: (output) => ["rsync", ...options, source, `${output}/`],
    };
  };
}

function curl(scheme: "http" | "https"): ContenderSpec["start"] {
  return async (stage, { directory, name }) => {
    const source = (await stage.nginx(directory))[scheme];
    return {
      command: (output) => [
        ...["curl", "-q", "-s", "-S", "-f", "-k", "--noproxy", "*"],
        ...["-o", `${output}/${name}`, `${source}/${name}`],
      ],
    };
  };
}

function aria(scheme: "http" | "https"): ContenderSpec["start"] {
  return async (stage, { directory, name }) => {
    const source = (await stage.nginx(directory))[scheme];
    return {
      command: (output) => [
        ...["aria2c", "--no-conf", "-q", "--no-proxy=127.0.0.1"],
        ...["-x4", "-s4", "-k1M", "--file-allocation=none"],
        ...["--check-certificate=false", "-d", output, `${source}/${name}`],
      ],
    };
  };
}

function missingOf(...programs: string[]): () => Promise<string[]> {
  return () =>
    Promise.resolve(programs.filter((name) => findProgram(name) === undefined));
}
