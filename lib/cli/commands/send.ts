/**
 * The command `send`: shares files from this process, prints a link for each,
 * and shows the progress of those that fetch them.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { FurtherRelay } from "../../access/further_relay.ts";
import { formatToken, parseToken, type Token } from "../../access/token.ts";
import { readSecretFile } from "../../access/secret_file.ts";
import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { show } from "../../base/text.ts";
import { orAborted } from "../../base/waiting.ts";
import { linkTo } from "../../client/link.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import type { TunnelMode } from "../../node/registrar.ts";
import { type PiecesSent, Receivers } from "../../node/receivers.ts";
import { type NodeServer, serveNode } from "../../node/server.ts";
import { resolvePaths, type SingleFile } from "../../share/shared_path.ts";
import type { CommandLine } from "../options/command_line.ts";
import { lineAsTyped } from "../options/program_name.ts";
import { badValue, formatDuration, given } from "../options/values.ts";
import type { Terminal } from "../output/terminal.ts";
import { collectInTime } from "../roles/memory.ts";
import { listening, surviveRejections } from "../roles/role.ts";
import {
  fetchesInWords,
  LINK_SECONDS,
  LINK_USES,
  printLink,
  warnOfLoopback,
} from "./link.ts";
import { NodeLife } from "./node_life.ts";
import { Sending } from "./sending.ts";
import { EventPrinter } from "./event_printer.ts";
import { warnOfGateway, type WebAddress, webAddressIn } from "./web_link.ts";

/** Surroundings of {@linkcode runSend}. */
export interface SendContext {
  readonly options: TransferOptions;
  readonly terminal: Terminal;
  readonly line: CommandLine;
  readonly signal: AbortSignal;
}

/** Runs the command; resolves to its exit code. */
export async function runSend(
  words: readonly string[],
  context: SendContext,
): Promise<number> {
  const { options, terminal, line, signal } = context;
  const web = webAddressIn(line);
  const token = await readNodeToken(line, { options, terminal });
  const files = await filesOf(words);
  using _survive = surviveRejections(terminal);
  using _collect = collectInTime();
  const life = new NodeLife(
    new EventPrinter(terminal),
    relaysOf(options, token),
  );
  const uses = line.get("uses") ?? LINK_USES;
  const seconds = line.get("expires") ?? LINK_SECONDS;
  const sending = new Sending(terminal, {
    receivers: new Receivers(LIMITS.receiverCount),
    uses,
  });
  await using node = await shareFiles(files, {
    ...{ context, token, life, sending },
  });
  const [first, ...others] = await orAborted(life.registered(signal), signal);
  const links = { terminal, line, uses, seconds, web };
  const named = { ...options, relay: first.address, relays: others };
  for (const file of files) {
    await makeLinkTo(file, {
      ...{ ...links, options: named, node, sending, signal },
    });
  }
  printTerms({ ...links, isOpen: token === undefined });
  const addresses = [first, ...others].map(({ address }) => address);
  if (web === undefined) warnOfLoopback(addresses, terminal);
  else warnOfGateway(line, terminal);
  sending.wait(performance.now());
  const isInTime = await untilSent({
    ...{ sending, life, seconds, terminal, signal },
  });
  // The last bytes sent may not have arrived yet.
  if (isInTime) await untilAlone(node, signal);
  const missed = sending.unfetched;
  if (missed.length === 0) return 0;
  throw new Failure("undelivered", {
    what: "Cannot send",
    where: missed.map(show).join(", "),
    why: `nobody fetched it within ${formatDuration(seconds)}`,
    remedy: "send it again, with a longer --expires",
  });
}

/** Starts the node that serves the files. */
function shareFiles(
  files: readonly SingleFile[],
  { context: { options, line }, token, life, sending }: {
    context: SendContext;
    token: Token | undefined;
    life: NodeLife;
    sending: Sending;
  },
): Promise<NodeServer> {
  const { plaintext, knownRelays, limitRate, tunnels, indexKey } = options;
  const [{ address: relay }, ...further] = relaysOf(options, token);
  const at = { port: 0, ...given({ host: line.get("host") }) };
  return listening(
    at,
    serveNode({
      ...at,
      relay,
      relays: further.map(({ address }) => ({ address, ...given({ token }) })),
      paths: files.map(({ given: path, name }) => ({ path, name })),
      tunnels: tunnelMode(line, tunnels),
      lanAddress: !line.isOn("no-lan-address"),
      ...given({
        name: line.get("name"),
        advertise: line.get("advertise"),
        plaintext,
        knownRelays,
        limitRate,
        token,
        indexKey,
      }),
      onEvent: (event) => life.note(event),
      onSent: (sent: PiecesSent) => sending.note(sent, performance.now()),
    }),
  );
}

/** Prints what the other side needs, and when the offer ends. */
function printTerms({ terminal, web, uses, seconds, isOpen }: {
  terminal: Terminal;
  web: WebAddress | undefined;
  uses: number;
  seconds: number;
  isOpen: boolean;
}): void {
  const needed = web === undefined
    ? lineAsTyped("the other side needs only the link: peer_client.ts get LINK")
    : "the other side opens the address in a browser";
  const until = `${fetchesInWords(uses)}, or in ${formatDuration(seconds)}`;
  terminal.note(`${needed}; this ends after ${until}`);
  if (!isOpen) return;
  terminal.note(
    "the relay is open: until then anyone who reaches it can list and fetch this too",
  );
}

/**
 * Waits until every file was fetched often enough; resolves to whether that
 * happened within `seconds`. If the user stops it, says what was fetched.
 */
async function untilSent({ sending, life, seconds, terminal, signal }: {
  sending: Sending;
  life: NodeLife;
  seconds: number;
  terminal: Terminal;
  signal: AbortSignal;
}): Promise<boolean> {
  try {
    return await Promise.race([
      orAborted(sending.complete, signal).then(() => true),
      passed(seconds, signal).then(() => false),
      life.ended,
    ]);
  } finally {
    terminal.status("");
    if (signal.aborted) terminal.note(sending.summary);
  }
}

/**
 * The relays to register with, with the tokens that make links. A token for a
 * node goes with that of `--token-file`, so relays with another are left out.
 */
function relaysOf(
  { relay, relays = [], access }: TransferOptions,
  nodeToken: Token | undefined,
): readonly [FurtherRelay, ...FurtherRelay[]] {
  const token = access?.token;
  const first = { address: relay, ...given({ token }) };
  if (nodeToken === undefined) return [first, ...relays];
  const isAlike = (one: FurtherRelay) =>
    one.token !== undefined &&
    token !== undefined && formatToken(one.token) === formatToken(token);
  return [first, ...relays.filter(isAlike)];
}

async function makeLinkTo(
  { name }: SingleFile,
  { node, sending, web, options, terminal, line, ...terms }:
    & SendContext
    & {
      web: WebAddress | undefined;
      node: NodeServer;
      sending: Sending;
      uses: number;
      seconds: number;
    },
): Promise<void> {
  terminal.status(`reading ${show(name)}`);
  const { uses, seconds, signal } = terms;
  const found = await orAborted(node.describe(name), signal);
  terminal.status("");
  if (found === undefined) {
    throw new Failure("local", {
      what: "Cannot send file",
      where: show(name),
      why: "it cannot be shared: it is too large, cannot be read, or holds a " +
        "key or token of relay-p2p",
    });
  }
  const { size, content, zeroPieces } = found;
  sending.add(name, { size, spared: zeroPieces });
  const link = await linkTo({
    ...options,
    ...{ name, content, uses, expiresSeconds: seconds, waiting: node.id },
    onEvent: (event) => {
      if (event.event !== "relay_motd") {
        new EventPrinter(terminal).onEvent(event);
      }
    },
  });
  await printLink({ ...link, name, bytes: size, web }, { terminal, line });
}

/** The files to send. */
async function filesOf(words: readonly string[]): Promise<SingleFile[]> {
  const found = await resolvePaths(words.map((path) => ({ path })), LIMITS);
  return found.map((path) => {
    if (path.kind === "file") return path;
    throw new Failure("usage", {
      what: "Cannot send",
      where: show(path.given),
      why: "it is a folder, and a link is for one file",
      remedy: "pack it into a file first, or share it with peer_node.ts",
    });
  });
}

function tunnelMode(line: CommandLine, tunnels = true): TunnelMode {
  const isForced = line.isOn("tunnel");
  if (tunnels) return isForced ? "always" : "auto";
  if (!isForced) return "never";
  throw new Failure("usage", {
    what: "Cannot use --tunnel",
    why: "it excludes --no-tunnel",
  });
}

/** The token for registering, which goes with the one for links. */
async function readNodeToken(
  line: CommandLine,
  { options, terminal }: Pick<SendContext, "options" | "terminal">,
): Promise<Token | undefined> {
  const path = line.value("node-token-file");
  const isPrivate = options.access?.token !== undefined;
  if (path === undefined) {
    if (!isPrivate) return undefined;
    throw new Failure("usage", {
      what: "Cannot send",
      why: "a client token is given: on a private relay send needs the token " +
        "of a node too",
      remedy: "name its file with --node-token-file",
    });
  }
  const text = await readSecretFile(path, "token");
  terminal.conceal(text);
  const token = parseToken(text, "node");
  if (!isPrivate) {
    throw badValue(
      "node-token-file",
      path,
      "it needs --token-file too, because that token makes the links",
    );
  }
  return token;
}

// The longest time that a timer can wait is 24.8 days.
const DAY_SECONDS = 86_400;

/** Resolves after `seconds`. */
async function passed(seconds: number, signal: AbortSignal): Promise<void> {
  for (let left = seconds; left > 0; left -= DAY_SECONDS) {
    await delay(1_000 * Math.min(left, DAY_SECONDS), {
      signal,
      persistent: true,
    })
      .catch(() => signal.throwIfAborted());
  }
}

/**
 * Waits a while until all clients have received everything and disconnected.
 */
async function untilAlone(
  node: NodeServer,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + LIMITS.sentLingerMs;
  while (node.connectionCount > 0 && performance.now() < until) {
    await delay(LOOK_MS, { signal }).catch(() => signal.throwIfAborted());
  }
}

const LOOK_MS = 20;
