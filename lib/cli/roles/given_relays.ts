/**
 * Takes the relays of a node or a client: the word RELAY, or in its place
 * `--relay` and `--relays`, from the line, a variable or a configuration file.
 *
 * @module
 */

import type { FurtherRelay } from "../../access/further_relay.ts";
import { readSecretFile } from "../../access/secret_file.ts";
import { parseToken, type Token, type TokenRole } from "../../access/token.ts";
import {
  looksLikeRelayAddress,
  type RelayAddress,
} from "../../base/address.ts";
import type { CommandLine } from "../options/command_line.ts";
import type { CommandSpec } from "../options/command_spec.ts";
import type { RelayEntry } from "../options/values.ts";
import { usageFailure } from "../options/command_line.ts";
import { isCommand } from "./about.ts";
import { HOST_AND_PORT, takeRelay } from "./role.ts";
import { readToken, type SecretSource } from "./secrets.ts";

/** What the command line says about the relays of a node or a client. */
export interface GivenRelays {
  /** As options of the engines. */
  readonly options: {
    relay: RelayAddress;
    relays?: readonly FurtherRelay[];
  };
  /** The token of the first. */
  readonly token: Token | undefined;
  /** The words after the relay. */
  readonly rest: readonly string[];
}

/** Options of {@linkcode takeRelays}. */
export interface TakeRelaysOptions {
  readonly spec: CommandSpec;
  readonly role: TokenRole;
  /** The usage of the command, if the words belong to one. */
  readonly usage?: string | undefined;
}

/**
 * Takes the relays, and reads their tokens. A relay without a token of its own
 * gets that of `--token-file`.
 *
 * @throws {Failure} of kind `usage`, `local` or `not_allowed`.
 */
export async function takeRelays(
  words: readonly string[],
  source: SecretSource,
  { spec, role, usage }: TakeRelaysOptions,
): Promise<GivenRelays> {
  const { line, terminal } = source;
  if (!hasRelayOptions(words, line, spec)) {
    const { relay, rest } = takeRelay(words, spec, usage);
    return { options: { relay }, token: await readToken(role, source), rest };
  }
  if (startsWithRelay(words, spec)) {
    throw usageFailure(
      spec,
      "the relay is given twice: as an argument and by an option",
      usage,
    );
  }
  const common = await readToken(role, source);
  const path = line.value("relays");
  const listed = path === undefined ? [] : await listedIn(path);
  const given = [...line.get("relay") ?? [], ...listed];
  const relays: FurtherRelay[] = [];
  for (const { address, tokenFile } of given) {
    let token = common;
    if (tokenFile !== undefined) {
      const text = await readSecretFile(tokenFile, "token");
      terminal.conceal(text);
      token = parseToken(text, role);
    }
    relays.push(token === undefined ? { address } : { address, token });
  }
  const [first, ...others] = relays;
  return {
    options: {
      relay: first!.address,
      ...others.length === 0 ? {} : { relays: others },
    },
    token: first!.token,
    rest: words,
  };
}

async function listedIn(path: string): Promise<readonly RelayEntry[]> {
  const { readRelayList } = await import("../options/relay_list.ts");
  return await readRelayList(path);
}

/**
 * Whether options name the relays. A relay that is typed as a word counts for
 * more than a variable or a configuration file.
 */
export function hasRelayOptions(
  words: readonly string[],
  line: CommandLine,
  spec: CommandSpec,
): boolean {
  const isTyped = OPTIONS.some((name) => line.typed.includes(name));
  if (isTyped) return true;
  return OPTIONS.some((name) => line.isSet(name)) &&
    !startsWithRelay(words, spec);
}

const OPTIONS = ["relay", "relays"];

function startsWithRelay(
  [first = "", second = ""]: readonly string[],
  spec: CommandSpec,
): boolean {
  if (first === "" || isCommand(spec, first)) return false;
  if (looksLikeRelayAddress(first) || HOST_AND_PORT.test(first)) return true;
  return !/^\d+$/.test(first) && /^\d+$/.test(second);
}
