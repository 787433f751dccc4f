/**
 * A link on a command line of the client, in place of a relay and names.
 *
 * @module
 */

import type { RelayAddress } from "../../base/address.ts";
import {
  type Link,
  looksLikeLink,
  parseLink,
  relaysOfLink,
} from "../../access/link.ts";
import { readSecretFile } from "../../access/secret_file.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import { CLIENT as SPEC } from "../options/command_table.ts";
import { asTyped } from "../options/program_name.ts";
import type { SecretSource } from "../roles/secrets.ts";

/** A link from a command line. */
export interface GivenLink {
  readonly link: Link;
  /** The words before it that name a relay, usually none. */
  readonly relayWords: readonly string[];
}

/**
 * Takes the link from a command line: `LINK`, `get LINK` or `RELAY get LINK`,
 * or the same with `--link-file` in place of the last word.
 *
 * @throws {Failure} of kind `usage`, without the link's text, if it was cut or
 * altered, or is in the wrong place.
 */
export async function takeLink(
  { line, terminal }: SecretSource,
): Promise<GivenLink | undefined> {
  const path = line.value("link-file");
  const { words } = line;
  const last = words.at(-1) ?? "";
  const before = path === undefined ? words.slice(0, -1) : words;
  const isPlace = before.length === 0 || before.at(-1) === "get";
  const isGiven = isPlace && (path !== undefined || isMeant(last, before));
  if ((isGiven ? before : words).some(isMisplaced)) {
    throw new Failure("usage", {
      what: "Cannot use link",
      why: "a link must be the only argument after get",
      remedy: `usage: ${asTyped(SPEC).script} get LINK`,
    });
  }
  if (!isGiven) return undefined;
  const text = path === undefined ? last : await readSecretFile(path, "link");
  terminal.conceal(text);
  return { link: parseLink(text), relayWords: before.slice(0, -1) };
}

/** Whether the last word is a link, or a damaged one. */
function isMeant(last: string, before: readonly string[]): boolean {
  const isAfterGet = before.length === 1 && before[0] === "get";
  return looksLikeLink(last) || isAfterGet && /^p2p:/i.test(last);
}

/** Whether a word in another place is a link. */
function isMisplaced(word: string): boolean {
  return looksLikeLink(word) && !word.endsWith("/");
}

/**
 * The link, at the relay that the user named alone, and at the address that the
 * user gave for it.
 *
 * @throws {Failure} of kind `usage` if the link does not name that relay.
 */
export function linkAt(link: Link, given: RelayAddress): Link {
  const relays = relaysOfLink(link);
  const { id, host, port } = given;
  const place = formatEndpoint(given);
  const named = id === undefined
    ? relays.find(({ address }) => formatEndpoint(address) === place) ??
      relays[0]!
    : relays.find(({ address }) => address.id === id);
  if (named === undefined) {
    const ids = relays.map(({ address }) => show(address.id));
    throw new Failure("usage", {
      what: "Cannot use link",
      where: place,
      why: `it is for another relay, ${ids.join(", ")}`,
      remedy: "omit the relay: the link contains it",
    });
  }
  const { relay: _, pass: _pass, others: _others, ...file } = link;
  const { address, ...pass } = named;
  return { ...file, relay: { host, port, id: address.id }, ...pass };
}
