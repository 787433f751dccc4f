/**
 * The command `doctor`: examines what a client or a node needs, prints one line
 * for each check, and exits with the worst result.
 *
 * @module
 */

import type { Access } from "../../access/credentials.ts";
import { sideBySide } from "../../access/further_relay.ts";
import { formatEndpoint } from "../../base/conn.ts";
import type { ClientOptions } from "../../client/peers.ts";
import { type CheckResult, Findings } from "../../doctor/check.ts";
import { examineClient } from "../../doctor/client.ts";
import {
  checkDisk,
  checkFolder,
  checkPermissions,
  checkShare,
} from "../../doctor/machine.ts";
import { examineNode } from "../../doctor/node.ts";
import { lookAround } from "../../doctor/network.ts";
import type { ExaminationOptions } from "../../doctor/relay.ts";
import { EXIT_CODE, Failure } from "../../base/errors.ts";
import { createIdentity, type Identity } from "../../identity/identity.ts";
import { LIMITS } from "../../base/limits.ts";
import type { NodeOptions } from "../../node/server.ts";
import type { RelayDialEvent } from "../../uplink/relay_dialer.ts";
import { loadIdentity } from "../../identity/identity_file.ts";
import type { CliEvent } from "../output/cli_events.ts";
import type { CommandLine } from "../options/command_line.ts";
import { printRelayMet, type RoleContext } from "./role.ts";
import { fold } from "../output/fold.ts";
import type { Terminal } from "../output/terminal.ts";
import { remedyIn } from "../output/remedies.ts";

const limits = LIMITS;

/** Runs the client's doctor; resolves to exit code 0. */
export async function runClientDoctor(
  options: ClientOptions,
  { line, terminal, signal }: RoleContext,
): Promise<number> {
  const findings = new Findings((check) => print(check, terminal));
  await examineEach(
    examinations(options, {
      access: options.access ?? {},
      tunnels: options.tunnels ?? true,
      signal,
      terminal,
    }),
    findings,
    (one) => examineClient({ ...one, swarm: line.isOn("swarm") }, findings),
  );
  const output = line.value("output");
  const folder = await checkFolder(output ?? ".", {
    isOptional: output === undefined,
    findings,
  });
  if (folder !== undefined) await checkDisk(folder, { limits, findings });
  const wanted = output ?? folder;
  const saved = wanted === undefined ? [] : [wanted];
  checkPermissions(
    { read: [...saved, ...read(line)], write: [...saved, ...written(line)] },
    findings,
  );
  const { relay } = options;
  const port = line.get("announce-port");
  findings.ok("network", await lookAround({ relay, port, signal }));
  return conclude(findings);
}

/** Runs the node's doctor; resolves to exit code 0. */
export async function runNodeDoctor(
  options: NodeOptions & Required<Pick<NodeOptions, "paths">>,
  { line, terminal, signal }: RoleContext,
): Promise<number> {
  const findings = new Findings((check) => print(check, terminal));
  await checkShare(options.paths, { limits, findings });
  const state = line.value("state");
  const identity = state === undefined
    ? await createIdentity()
    : await checkState(state, findings);
  if (state !== undefined) await checkDisk(state, { limits, findings });
  if (identity !== undefined) {
    const { host, port, advertise, tunnels = "auto" } = options;
    const name = options.name ?? `node-${identity.id.slice(0, 6)}`;
    const own = { host, port, advertise, identity, name };
    await examineEach(
      examinations(options, {
        access: { token: options.token },
        tunnels: tunnels !== "never",
        signal,
        terminal,
      }),
      findings,
      (one) => examineNode({ ...one, ...own }, findings),
    );
  }
  const kept = state === undefined ? [] : [state];
  checkPermissions({
    read: [...options.paths.map(({ path }) => path), ...kept, ...read(line)],
    write: [...kept, ...written(line)],
  }, findings);
  return conclude(findings);
}

/** The node's identity; `undefined` if its key cannot be loaded. */
async function checkState(
  folder: string,
  findings: Findings,
): Promise<Identity | undefined> {
  try {
    const identity = await loadIdentity(folder);
    findings.ok("state", `the node is ${identity.id}`);
    return identity;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    findings.failed("state", error);
    return undefined;
  }
}

/** Examines one relay after the other: a node has one port for all of them. */
async function examineEach(
  all: readonly ExaminationOptions[],
  findings: Findings,
  examine: (one: ExaminationOptions) => Promise<void>,
): Promise<void> {
  for (const one of all) {
    if (all.length > 1) findings.about(formatEndpoint(one.relay));
    await examine(one);
  }
  findings.about();
}

/** An examination of each relay. */
function examinations(
  { relay: address, relays, plaintext = false, knownRelays }: Pick<
    ClientOptions,
    "relay" | "relays" | "plaintext" | "knownRelays"
  >,
  { access, tunnels, signal, terminal }: {
    access: Access;
    tunnels: boolean;
    signal: AbortSignal;
    terminal: Terminal;
  },
): ExaminationOptions[] {
  const onEvent = (event: RelayDialEvent) => {
    terminal.event(event);
    if (event.event === "relay_motd") printRelayMet(event, terminal);
  };
  const common = { plaintext, knownRelays, tunnels, limits, signal, onEvent };
  return sideBySide({ address }, relays, limits).map((one, n) => ({
    ...common,
    relay: one.address,
    access: n === 0 ? access : { token: one.token },
  }));
}

/** Files to read that options name. */
function read(line: CommandLine): string[] {
  return ["known-relays", "config", "token-file", "index-key-file"].flatMap(
    (name) => line.value(name) ?? [],
  );
}

/** Files to write that options name. */
function written(line: CommandLine): string[] {
  return ["known-relays"].flatMap((name) => line.value(name) ?? []);
}

function print(check: CheckResult, terminal: Terminal): void {
  const { remedyCode: _, ...plain } = check;
  const remedy = remedyIn(check);
  const stated = remedy === undefined ? plain : { ...plain, remedy };
  terminal.event<CliEvent>({ event: "checked", ...stated });
  const { verdict, says } = check;
  const rest = remedy === undefined ? says : `${says}; ${remedy}`;
  const line = verdict.padEnd(VERDICT_COLUMNS) +
    check.check.padEnd(CHECK_COLUMNS) + rest;
  terminal.fact(fold(line, terminal.resultColumns));
}

const VERDICT_COLUMNS = "warning".length + 2;
const CHECK_COLUMNS = "registration".length + 2;

/**
 * @returns 0 if no check failed.
 * @throws {Failure} of the kind with the highest exit code among the failed
 * checks.
 */
function conclude({ checks }: Findings): number {
  const failed = checks.filter(({ kind }) => kind !== undefined);
  const [worst] = failed.flatMap(({ kind }) => kind ?? [])
    .toSorted((one, other) => EXIT_CODE[other] - EXIT_CODE[one]);
  if (worst === undefined) return 0;
  throw new Failure(worst, {
    what: "Cannot pass all checks",
    where: failed.map(({ check }) => check).join(", "),
    why: `${failed.length} of ${checks.length} failed`,
    remedy: "see the failed checks above",
  });
}
