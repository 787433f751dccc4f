/**
 * `p2p use`: contacts relays and remembers them with their ids, so that commands
 * need not name them.
 *
 * @module
 */

import { sideBySide } from "../../lib/access/further_relay.ts";
import {
  formatRelayAddress,
  type RelayAddress,
} from "../../lib/base/address.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { LIMITS, limitsWith } from "../../lib/base/limits.ts";
import { looksLikeLink } from "../../lib/access/link.ts";
import { readSecretFile } from "../../lib/access/secret_file.ts";
import {
  parseToken,
  type Token,
  type TokenRole,
} from "../../lib/access/token.ts";
import type { CliEvent } from "../../lib/cli/output/cli_events.ts";
import { Input } from "../../lib/cli/output/streams.ts";
import {
  printRelayMet,
  type RoleContext,
  takeRelay,
} from "../../lib/cli/roles/role.ts";
import { readIndexKey } from "../../lib/cli/roles/secrets.ts";
import { RelayDialer } from "../../lib/uplink/relay_dialer.ts";
import { resolve } from "@std/path";
import {
  forget,
  readRemembered,
  relayOf,
  type Remembered,
  writeRemembered,
} from "./remembered.ts";
import { chooseRelay } from "./choose_relay.ts";
import { isToldMore, OWN, RELAY_PORT } from "./tables.ts";
import type { OwnRun } from "./own_run.ts";

const USAGE = OWN.commands["use"]!.usage;

/** Runs the command; resolves to the exit code. */
export async function runUse(run: OwnRun): Promise<number> {
  const { context, words, places } = run;
  const { line } = context;
  const isAdding = line.isOn("add");
  if (line.isOn("forget")) {
    if (isAdding) {
      throw cannotUse("--forget excludes --add", "give one of them");
    }
    return await runForget(run);
  }
  const known = readRemembered(places.config);
  const isShowing = words.length === 0 && known.length > 0 && !isAdding &&
    !isToldMore(line);
  if (isShowing) {
    printUsed(known, context);
    return 0;
  }
  const tokenFile = line.value("token-file");
  const given = words.length > 0
    ? await readRelays(words, context)
    : isAdding || known.length === 0
    ? await chooseRelay(context)
    : [relayOf(theOnly(known))];
  if (given.length === 0) return 0;
  const token = tokenFile === undefined
    ? undefined
    : { path: resolve(tokenFile), ...await readTokenFile(tokenFile, context) };
  const keyFile = line.value("index-key-file");
  await readIndexKey(context); // refuses one that no node would take
  const key = keyFile === undefined ? {} : { indexKeyFile: resolve(keyFile) };
  const met: Remembered[] = [];
  for (const one of given) {
    const relay = await meet(one, { known, token: token?.token, context });
    const before = known.find((one) => one.relay === relay);
    const added = token === undefined ? {} : { [token.role]: token.path };
    const tokenFiles = { ...before?.tokenFiles, ...added };
    met.push({ ...before, relay, tokenFiles, ...key });
  }
  // Read again: another run may have added a relay while this one met its own.
  const others = isAdding ? readRemembered(places.config) : [];
  const used = together(others, met);
  writeRemembered(places.config, used);
  printUsed(used, context);
  return 0;
}

/** Forgets the relays that were typed, or all. */
async function runForget(
  { context, words, places }: OwnRun,
): Promise<number> {
  const { terminal } = context;
  if (words.length === 0) {
    const isGone = forget(places.config);
    terminal.note(isGone ? "forgotten" : "no relay was remembered");
    return 0;
  }
  const given = await readRelays(words, context);
  let left = readRemembered(places.config);
  for (const relay of given) {
    const others = left.filter((one) => !isAt(relay, one));
    if (others.length === left.length) {
      throw new Failure("usage", {
        what: "Cannot forget relay",
        where: formatEndpoint(relay),
        why: "it is not remembered",
        remedy: "p2p use shows those that are",
      });
    }
    left = others;
  }
  if (left.length === 0) forget(places.config);
  else writeRemembered(places.config, left);
  terminal.note("forgotten");
  printUsed(left, context);
  return 0;
}

/**
 * Remembered relays with those that were met: each relay once.
 *
 * @throws {Failure} of kind `usage` if they are too many.
 */
function together(
  known: readonly Remembered[],
  met: readonly Remembered[],
): readonly Remembered[] {
  const used = new Map(
    [...known, ...met].map((one) => [formatEndpoint(relayOf(one)), one]),
  );
  const all = [...used.values()];
  const [first, ...others] = all.map((one) => ({ address: relayOf(one) }));
  sideBySide(first!, others, LIMITS);
  return all;
}

/** The only relay that is remembered: a file without a relay is for it. */
function theOnly(known: readonly Remembered[]): Remembered {
  const [only, ...others] = known;
  if (others.length === 0) return only!;
  throw cannotUse(
    `${known.length} relays are remembered, and this may be for any of them`,
    "name its relay: p2p use --add RELAY --token-file FILE",
  );
}

function cannotUse(why: string, remedy: string): Failure {
  return new Failure("usage", { what: "Cannot use relay", why, remedy });
}

function printUsed(
  used: readonly Remembered[],
  { terminal }: RoleContext,
): void {
  for (const remembered of used) {
    const { relay, tokenFiles, indexKeyFile } = remembered;
    terminal.fact(`relay ${relay}`);
    for (const [role, path] of Object.entries(tokenFiles)) {
      terminal.fact(`${role} token in ${path}`);
    }
    if (indexKeyFile !== undefined) {
      terminal.fact(`index key in ${indexKeyFile}`);
    }
    terminal.event<CliEvent>({ event: "relay_used", ...remembered });
  }
}

/**
 * The relays that were typed, or that stand on standard input: alone, as from
 * QR codes, or in the line that a relay printed.
 */
async function readRelays(
  words: readonly string[],
  { signal }: RoleContext,
): Promise<readonly RelayAddress[]> {
  let rest = words;
  if (words.length === 1 && words[0] === "-") {
    const text = await new Input().line(signal) ?? "";
    rest = text.match(/p2p:\/\/\S+/gi) ?? text.trim().split(/\s+/);
  }
  const relays: RelayAddress[] = [];
  while (rest.length > 0) {
    const taken = takeOne(rest);
    relays.push(taken.relay);
    rest = taken.rest;
  }
  return relays;
}

function takeOne(
  words: readonly string[],
): { relay: RelayAddress; rest: readonly string[] } {
  const [first = "", second = ""] = words;
  if (looksLikeLink(first) && !first.endsWith("/")) {
    throw cannotUse(
      "this is a link to one file",
      "fetch the file with p2p get LINK",
    );
  }
  // Alone, a host means the port that `p2p relay` listens on.
  const isAlone = first !== "" && !first.includes(":") &&
    !/^\d+$/.test(first) && !/^\d+$/.test(second);
  if (!isAlone) return takeRelay(words, OWN, USAGE);
  const [, ...rest] = words;
  return { ...takeRelay([first, RELAY_PORT], OWN, USAGE), rest };
}

async function readTokenFile(
  path: string,
  { terminal }: RoleContext,
): Promise<{ token: Token; role: TokenRole }> {
  const text = await readSecretFile(path, "token");
  terminal.conceal(text);
  const role = text.toLowerCase().startsWith("p2p-node-") ? "node" : "client";
  return { token: parseToken(text, role), role };
}

/**
 * Contacts a relay.
 *
 * @returns its address with the id that it proved.
 * @throws {Failure} of kind `relay` if it cannot be reached, or if another relay
 * was remembered at that address.
 */
async function meet(
  relay: RelayAddress,
  { known, token, context: { terminal, signal } }: {
    known: readonly Remembered[];
    token: Token | undefined;
    context: RoleContext;
  },
): Promise<string> {
  const dialer = new RelayDialer(relay, {
    role: token?.role ?? "client",
    plaintext: false,
    access: { token },
    limits: limitsWith({}),
    onEvent: (event) => {
      terminal.event(event);
      const isNews = event.event === "relay_motd" ||
        event.event === "relay_version_differs";
      if (isNews) printRelayMet(event, terminal);
    },
  });
  const { channel, id } = await dialer.open(signal);
  channel.conn.close();
  if (relay.id === undefined) refuseOther(relay, { id, known });
  const { host, port } = relay;
  return formatRelayAddress({ host, port, id });
}

/** As ssh does for a host whose key has changed. */
function refuseOther(
  relay: RelayAddress,
  { id, known }: { id: string; known: readonly Remembered[] },
): void {
  const before = known.find((one) => isAt(relay, one));
  if (before === undefined || relayOf(before).id === id) return;
  throw new Failure("relay", {
    what: "Cannot trust relay",
    where: formatEndpoint(relay),
    why: "identity does not match: another one is remembered, " +
      `wanted ${relayOf(before).id}, found ${id}`,
    remedy: "if the relay was set up again, forget it with p2p use --forget " +
      `${formatEndpoint(relay)} and use it again; ` +
      "if not, somebody may be intercepting the connection",
  });
}

/** Whether a remembered relay is the one at this place, with this id if given. */
function isAt({ id, ...place }: RelayAddress, known: Remembered): boolean {
  const before = relayOf(known);
  return formatEndpoint(before).toLowerCase() ===
      formatEndpoint(place).toLowerCase() &&
    (id === undefined || id === before.id);
}
