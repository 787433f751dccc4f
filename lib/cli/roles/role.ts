/**
 * The parts that the three scripts share: options, help, exit codes, signals.
 *
 * @module
 */

import {
  ANY_HOST,
  looksLikeRelayAddress,
  parseEndpoint,
  parseHost,
  parsePort,
  parseRelayAddress,
  type RelayAddress,
} from "../../base/address.ts";
import type { ClockEvent } from "../../base/clock_watch.ts";
import { formatEndpoint } from "../../base/conn.ts";
import {
  describeCause,
  Failure,
  localKindOf,
  systemErrorCode,
} from "../../base/errors.ts";
import type { KnownRelays } from "../../identity/known_relays.ts";
import type { RelayDialEvent } from "../../uplink/relay_dialer.ts";
import { show } from "../../base/text.ts";
import type { CommandSpec } from "../options/command_table.ts";
import { answerAboutItself, isCommand, refuseMistyped } from "./about.ts";
import {
  type CommandLine,
  parseCommandLine,
  usageFailure,
} from "../options/command_line.ts";
import { parseLog } from "../output/log.ts";
import { isClosedOutput } from "../output/streams.ts";
import { Terminal, type TerminalOptions } from "../output/terminal.ts";
import { formatDuration } from "../options/values.ts";

/** The surroundings of a running role. */
export interface RoleContext {
  /** Its command line. */
  readonly line: CommandLine;
  /** Its output. */
  readonly terminal: Terminal;
  /** Aborted, with a {@linkcode Failure}, when the user stops it. */
  readonly signal: AbortSignal;
  /** Stops it, as SIGTERM does. */
  readonly stop: () => void;
  /**
   * The command line with the configuration file as it is now.
   *
   * @throws {Failure} like {@linkcode readConfig}.
   */
  readonly reread: () => Promise<CommandLine>;
}

/**
 * Runs a role from its arguments to its exit code. Never throws.
 *
 * The first SIGINT or SIGTERM aborts the context's signal; the second ends the
 * process at once.
 */
export async function runRole(
  args: readonly string[],
  spec: CommandSpec,
  run: (context: RoleContext) => Promise<number>,
): Promise<number> {
  let terminal = new Terminal({ json: false, quiet: false, debug: false });
  try {
    let line = parseCommandLine(args, spec);
    terminal = new Terminal(outputOptions(line, spec));
    if (await answerAboutItself(line, spec, terminal)) return 0;
    const config = line.value("config");
    const reread = async () => {
      if (config === undefined) return parseCommandLine(args, spec);
      const { readConfig } = await import("../options/config.ts");
      return parseCommandLine(args, spec, await readConfig(config, spec.role));
    };
    if (config !== undefined) {
      line = await reread();
      terminal = new Terminal(outputOptions(line, spec));
    }
    concealSecrets(line, spec, terminal);
    using stop = new StopSignals();
    return await run({
      ...{ line, terminal, reread },
      signal: stop.signal,
      stop: () => stop.stop(),
    });
  } catch (error) {
    terminal.status("");
    // `head` has read enough: nothing has failed, and nobody would read a
    // message.
    if (isClosedOutput(error)) return 0;
    terminal.error(error);
    return error instanceof Failure ? error.exitCode : 1;
  }
}

function outputOptions(
  line: CommandLine,
  { options }: CommandSpec,
): TerminalOptions {
  return {
    json: line.isOn("json"),
    quiet: line.isOn("quiet"),
    debug: line.isOn("debug"),
    // Not every role has logs, but a variable could still set the option.
    log: Object.hasOwn(options, "log") ? parseLog(line) : undefined,
  };
}

/** Keeps the secrets among the options out of all output. */
function concealSecrets(
  line: CommandLine,
  spec: CommandSpec,
  terminal: Terminal,
): void {
  for (const [name, { isSecret = false }] of Object.entries(spec.options)) {
    const value = isSecret ? line.value(name) : undefined;
    if (value !== undefined) terminal.conceal(value);
  }
}

/** Turns SIGINT and SIGTERM into an abort. */
class StopSignals implements Disposable {
  readonly #abort = new AbortController();
  readonly signal: AbortSignal = this.#abort.signal;
  readonly #onSignal = () => {
    if (this.#abort.signal.aborted) Deno.exit(130);
    this.stop();
  };

  constructor() {
    for (const signal of STOP_SIGNALS) {
      Deno.addSignalListener(signal, this.#onSignal);
    }
  }

  stop(): void {
    this.#abort.abort(
      new Failure("interrupted", { what: "Stopped", why: "interrupted" }),
    );
  }

  [Symbol.dispose](): void {
    for (const signal of STOP_SIGNALS) {
      Deno.removeSignalListener(signal, this.#onSignal);
    }
  }
}

// Windows has no SIGTERM.
const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/**
 * Takes the relay from the start of `words`: one word that is a relay address
 * or `HOST:PORT`, or two that are host and port.
 *
 * @param usage the usage of the command, if the words belong to one.
 * @returns the relay and the words after it.
 * @throws {Failure} of kind `usage`.
 */
export function takeRelay(
  words: readonly string[],
  spec: CommandSpec,
  usage?: string,
): { relay: RelayAddress; rest: readonly string[] } {
  const [first, second] = words;
  if (first === undefined) {
    throw usageFailure(spec, "the relay is missing", usage);
  }
  if (looksLikeRelayAddress(first)) {
    return { relay: parseRelayAddress(first), rest: words.slice(1) };
  }
  if (HOST_AND_PORT.test(first)) {
    return {
      relay: parseEndpoint(first, { zero: false }),
      rest: words.slice(1),
    };
  }
  if (second === undefined || isCommand(spec, second)) {
    throw usageFailure(spec, "the relay's port is missing", usage);
  }
  if (!/^\d+$/.test(second)) refuseMistyped(spec, first);
  const relay = {
    host: parseHost(first),
    port: parsePort(second, { zero: false }),
  };
  return { relay, rest: words.slice(2) };
}

/** As one word, the usual way to write an address. */
export const HOST_AND_PORT = /^(\[.*\]|[^:/]+):\d+$/;

/** The relays met before, if `--known-relays` names a file. */
export async function loadKnownRelays(
  line: CommandLine,
): Promise<{ knownRelays?: KnownRelays }> {
  const path = line.value("known-relays");
  if (path === undefined) return {};
  const { KnownRelays } = await import("../../identity/known_relays.ts");
  return { knownRelays: await KnownRelays.load(path) };
}

/** Refuses extra words. */
export function expectNoMore(
  words: readonly string[],
  spec: CommandSpec,
  usage?: string,
): void {
  if (words.length > 0) {
    throw usageFailure(spec, "too many arguments", usage);
  }
}

/**
 * Waits for the server of `starting`, at the address of `option`, or otherwise
 * of `--host` and the port.
 *
 * @throws {Failure} of kind `local` if its address cannot be bound.
 */
export async function listening<Server>(
  { host = ANY_HOST, port, option }: {
    host?: string;
    port: number;
    option?: string;
  },
  starting: Promise<Server>,
): Promise<Server> {
  try {
    return await starting;
  } catch (error) {
    const isBind = error instanceof Deno.errors.AddrInUse ||
      error instanceof Deno.errors.AddrNotAvailable ||
      error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable ||
      systemErrorCode(error) !== undefined;
    if (error instanceof Failure || !isBind) throw error;
    throw new Failure(localKindOf(error), {
      what: "Cannot listen",
      where: formatEndpoint({ host, port }),
      why: describeCause(error),
      remedy: error instanceof Deno.errors.NotCapable
        ? "grant it with --allow-net"
        : option !== undefined
        ? `give --${option} another address`
        : error instanceof Deno.errors.AddrNotAvailable ||
            systemErrorCode(error) === "ENOTFOUND"
        ? "give --host an address of this machine"
        : "choose another port (0 lets the system pick one) or --host",
      cause: error,
    });
  }
}

/** Reports that the machine slept, or that its clock was set. */
export function printClockGap(
  { kind, seconds }: ClockEvent,
  terminal: Terminal,
): void {
  const span = formatDuration(seconds);
  terminal.note(
    kind === "slept"
      ? `this machine slept for ${span}, or its clock was set forward: ` +
        "reconnecting"
      : `the clock of this machine was set back by ${span}`,
  );
}

/** The warning if encryption is off. */
export const PLAINTEXT_WARNING =
  "warning: --plaintext: anyone on the network path can read and change all data";

/**
 * Prints an event of the first connection to a relay, such as an unknown
 * identity or the relay's message.
 */
export function printRelayMet(event: RelayDialEvent, terminal: Terminal): void {
  if (event.event === "relay_motd") {
    terminal.note(`relay message: ${show(event.text)}`);
    return;
  }
  if (event.event === "relay_version_differs") {
    terminal.note(
      `this is relay-p2p ${event.ownVersion}, and the relay at ${event.relay} ` +
        `runs ${show(event.version)}`,
    );
    return;
  }
  if (event.event === "relay_open") {
    terminal.note(
      `warning: the relay at ${event.relay} is open, although a token is ` +
        "given: anyone who can reach it may list and fetch",
    );
    return;
  }
  const { relay, id } = event;
  if (event.event === "relay_changed") {
    terminal.note(
      `warning: the relay at ${relay} has a new identity: relay id ${id}`,
    );
  } else if (event.event === "relay_remembered") {
    terminal.note(
      `met relay ${id} at ${relay} for the first time, not verified; ` +
        `${show(event.path)} remembers it`,
    );
  } else {
    terminal.note(
      `warning: relay not verified: p2p://${relay}/${id} ` +
        "(give this address in place of host and port to pin it)",
    );
  }
}

/** Reports uncaught errors, and continues: one peer must not end a server. */
export function surviveRejections(terminal: Terminal): Disposable {
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    terminal.error(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  return {
    [Symbol.dispose]: () =>
      globalThis.removeEventListener("unhandledrejection", onRejection),
  };
}
