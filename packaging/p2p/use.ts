/**
 * `p2p use`: contacts a relay and remembers it with its id, so that commands
 * need not name it.
 *
 * @module
 */

import {
  formatRelayAddress,
  looksLikeRelayAddress,
  parseRelayAddress,
  type RelayAddress,
} from "../../lib/base/address.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { Failure } from "../../lib/base/errors.ts";
import { limitsWith } from "../../lib/base/limits.ts";
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
  expectNoMore,
  type RoleContext,
  takeRelay,
  tellRelayMet,
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
  const { line, terminal } = context;
  if (line.isOn("forget")) {
    expectNoMore(words, OWN, USAGE);
    const isGone = forget(places.config);
    terminal.note(isGone ? "forgotten" : "no relay was remembered");
    return 0;
  }
  const known = readRemembered(places.config);
  const isShowing = words.length === 0 && known !== undefined &&
    !isToldMore(line);
  if (isShowing) {
    tellUsed(known, context);
    return 0;
  }
  const tokenFile = line.value("token-file");
  const given = words.length > 0
    ? await readRelay(words, context)
    : known !== undefined
    ? relayOf(known)
    : await chooseRelay(context);
  if (given === undefined) return 0;
  const token = tokenFile === undefined
    ? undefined
    : { path: resolve(tokenFile), ...await readTokenFile(tokenFile, context) };
  const indexKeyFile = line.value("index-key-file");
  await readIndexKey(context); // refuses one that no node would take
  const relay = await meet(given, { known, token: token?.token, context });
  const { tokenFiles, ...kept } = known?.relay === relay
    ? known
    : { tokenFiles: {} };
  const remembered: Remembered = {
    ...kept,
    relay,
    tokenFiles: {
      ...tokenFiles,
      ...(token === undefined ? {} : { [token.role]: token.path }),
    },
    ...(indexKeyFile === undefined
      ? {}
      : { indexKeyFile: resolve(indexKeyFile) }),
  };
  writeRemembered(places.config, remembered);
  tellUsed(remembered, context);
  return 0;
}

function tellUsed(
  remembered: Remembered,
  { terminal }: RoleContext,
): void {
  const { relay, tokenFiles, indexKeyFile } = remembered;
  terminal.fact(`relay ${relay}`);
  for (const [role, path] of Object.entries(tokenFiles)) {
    terminal.fact(`${role} token in ${path}`);
  }
  if (indexKeyFile !== undefined) terminal.fact(`index key in ${indexKeyFile}`);
  terminal.event<CliEvent>({ event: "relay_used", ...remembered });
}

/**
 * The relay that was typed, or that stands on standard input: alone, as from a
 * QR code, or in the line that the relay printed.
 */
async function readRelay(
  words: readonly string[],
  { signal }: RoleContext,
): Promise<RelayAddress> {
  let given = words;
  if (words.length === 1 && words[0] === "-") {
    const text = await new Input().line(signal) ?? "";
    given = [/p2p:\/\/\S+/i.exec(text)?.[0] ?? text.trim()].flatMap((word) =>
      word.split(/\s+/)
    );
  }
  const [first = ""] = given;
  if (looksLikeLink(first) && !first.endsWith("/")) {
    throw new Failure("usage", {
      what: "Cannot use relay",
      why: "this is a link to one file",
      remedy: "fetch the file with p2p get LINK",
    });
  }
  if (looksLikeRelayAddress(first)) {
    expectNoMore(given.slice(1), OWN, USAGE);
    return parseRelayAddress(first);
  }
  // Alone, a host means the port that `p2p relay` listens on.
  const isAlone = given.length === 1 && first !== "" && !first.includes(":");
  const place = isAlone ? [first, RELAY_PORT] : given;
  const { relay, rest } = takeRelay(place, OWN, USAGE);
  expectNoMore(rest, OWN, USAGE);
  return relay;
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
    known: Remembered | undefined;
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
      if (isNews) tellRelayMet(event, terminal);
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
  { id, known }: { id: string; known: Remembered | undefined },
): void {
  if (known === undefined) return;
  const before = relayOf(known);
  const isSamePlace = formatEndpoint(before).toLowerCase() ===
    formatEndpoint(relay).toLowerCase();
  if (!isSamePlace || before.id === id) return;
  throw new Failure("relay", {
    what: "Cannot trust relay",
    where: formatEndpoint(relay),
    why: "identity does not match: another one is remembered, " +
      `wanted ${before.id}, found ${id}`,
    remedy:
      "if the relay was set up again, p2p use --forget and use it again; " +
      "if not, somebody may be intercepting the connection",
  });
}
