/**
 * The command `link`, and the options that fetch by a link.
 *
 * @module
 */

import { isLoopback, type RelayAddress } from "../../base/address.ts";
import { AccessFailure } from "../../access/credentials.ts";
import { type Link, looksLikeLink, parseLink } from "../../access/link.ts";
import { readSecretFile } from "../../access/secret_file.ts";
import type { Selection } from "../../client/get.ts";
import { makeLink } from "../../client/link.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import { KeptFetch, newFetchId } from "../../disk/kept_fetch.ts";
import { formatDuration } from "../options/duration.ts";
import { destination } from "./get.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { CLIENT as SPEC } from "../options/command_table.ts";
import type { CommandLine } from "../options/command_line.ts";
import { spoken } from "../options/spoken.ts";
import { formatQr } from "../output/qr.ts";
import type { SecretSource } from "../roles/secrets.ts";
import { Telling } from "./telling.ts";
import type { Terminal } from "../output/terminal.ts";

/** How long a link is valid by default. */
export const LINK_SECONDS = 3_600;
/** How many fetches a link allows by default. */
export const LINK_USES = 1;

/** Makes and prints a link to a file; resolves to the exit code. */
export async function runLink(
  wanted: string,
  { options, terminal, line }: {
    options: TransferOptions;
    terminal: Terminal;
    line: CommandLine;
  },
): Promise<number> {
  const seconds = line.get("expires") ?? LINK_SECONDS;
  const uses = line.get("uses") ?? LINK_USES;
  const { onEvent } = new Telling(terminal);
  const { text, isHeld, name, size: bytes } = await makeLink({
    ...options,
    name: wanted,
    expiresSeconds: seconds,
    uses,
    onEvent,
  });
  await tellLink({ text, name, bytes, isHeld }, { terminal, line });
  terminal.note(
    isHeld
      ? `valid for ${fetchesInWords(uses)} in the next ` +
        `${formatDuration(seconds)}, by anyone who has it`
      : "the relay is open: this is good as long as the file has this content",
  );
  warnOfLoopback(options.relay, terminal);
  return 0;
}

/** Number of fetches, in words. */
export function fetchesInWords(uses: number): string {
  return uses === 1 ? "one fetch" : `${uses} fetches`;
}

/** Warns of a link that is of no use on other machines. */
export function warnOfLoopback(
  { host }: RelayAddress,
  terminal: Terminal,
): void {
  if (!isLoopback(host)) return;
  terminal.note(
    `warning: the link names ${host}, which is another machine ` +
      "everywhere else; name the relay as others reach it",
  );
}

/** A link to be told of. */
export interface ToldLink {
  readonly text: string;
  readonly name: string;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Whether the relay enforces its time and number of fetches. */
  readonly isHeld: boolean;
}

/** Prints a link, and on request a code of it. */
export async function tellLink(
  { text, name, bytes, isHeld }: ToldLink,
  { terminal, line }: SecretSource,
): Promise<void> {
  terminal.revealEvent(
    { event: "link_made", link: text, name, bytes, isHeld } satisfies CliEvent,
  );
  terminal.reveal(text);
  if (line.isOn("qr")) await drawQr(text, terminal);
}

async function drawQr(text: string, terminal: Terminal): Promise<void> {
  const drawn = await formatQr(text, {
    columns: columnsOf(),
    colours: Deno.stderr.isTerminal(),
  });
  if ("why" in drawn) return terminal.note(drawn.why);
  for (const row of drawn.lines) terminal.note(row);
}

/** Columns of the terminal; Infinity without one. */
function columnsOf(): number {
  try {
    return Deno.consoleSize().columns || Infinity;
  } catch {
    return Infinity; // not a terminal
  }
}

/** A link in place of names, with the words about its relay. */
export interface GivenLink {
  readonly link: Link;
  /** The relay words beside it, usually none. */
  readonly relayWords: readonly string[];
}

/**
 * Takes the link from a command line: `LINK`, `get LINK` or `RELAY get LINK`,
 * or the same with `--link-file` in place of the last word.
 *
 * @throws {Failure} of kind `usage`, without the link's text, if it was cut or
 * altered, or if no link can be there.
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
      remedy: `usage: ${spoken(SPEC).script} get LINK`,
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
 * The relay of a link, with the address that the user gave, if any.
 *
 * @throws {Failure} of kind `usage` if the user named another relay.
 */
export function relayOf(
  { relay }: Link,
  given: RelayAddress | undefined,
): RelayAddress {
  if (given === undefined) return relay;
  if (given.id === undefined || given.id === relay.id) {
    return { ...given, id: relay.id };
  }
  throw new Failure("usage", {
    what: "Cannot use link",
    where: formatEndpoint(given),
    why: `it is for another relay, ${show(relay.id)}`,
    remedy: "omit the relay: the link contains it",
  });
}

/**
 * Gets the file of a link: calls `run` with the options for it, and resolves to
 * its exit code. Continuing an interrupted fetch does not use the link again.
 */
export async function getByLink(
  link: Link,
  { options, line, run }: {
    options: TransferOptions;
    line: CommandLine;
    run: (
      options: TransferOptions,
      selection: Selection & { kind: "name" },
    ) => Promise<number>;
  },
): Promise<number> {
  const { name, pass, content } = link;
  if (pass !== undefined && line.isOn("dry-run")) {
    throw new Failure("usage", {
      what: "Cannot use --dry-run",
      why: "asking for the file of this link would count as one of its uses",
      remedy: "get LINK fetches it, and never replaces a file",
    });
  }
  const selection = { kind: "name", name } as const;
  const output = line.value("output");
  const optionsFor = (fetch: string): TransferOptions => ({
    ...options,
    content,
    access: { ...options.access, link: { pass, name, fetch } },
  });
  if (pass === undefined || output === "-") {
    return await run(optionsFor(newFetchId()), selection);
  }
  const pathOf = await destination(output, [selection]);
  const kept = await KeptFetch.open(pathOf(name, selection), pass);
  try {
    const code = await run(optionsFor(kept.id), selection);
    if (code === 0) await kept.discard();
    return code;
  } catch (error) {
    // The link will never work again, so nobody continues this fetch.
    if (error instanceof AccessFailure && error.isFinal) await kept.discard();
    throw error;
  }
}
