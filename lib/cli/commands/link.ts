/**
 * The command `link`, and fetching by a link.
 *
 * @module
 */

import { isLoopback, type RelayAddress } from "../../base/address.ts";
import { type Link, relaysOfLink } from "../../access/link.ts";
import { AccessFailure } from "../../access/credentials.ts";
import type { Selection } from "../../client/get.ts";
import { makeLink } from "../../client/link.ts";
import type { LinkText } from "../../client/passes.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { Failure } from "../../base/errors.ts";
import { show } from "../../base/text.ts";
import { KeptFetch, newFetchId } from "../../disk/kept_fetch.ts";
import { formatDuration, given } from "../options/values.ts";
import { destination } from "./get.ts";
import type { CliEvent } from "../output/cli_events.ts";
import type { CommandLine } from "../options/command_line.ts";
import { formatQr } from "../output/qr.ts";
import type { SecretSource } from "../roles/secrets.ts";
import { EventPrinter } from "./event_printer.ts";
import type { Terminal } from "../output/terminal.ts";
import { warnOfGateway, type WebAddress, webAddressIn } from "./web_link.ts";

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
  const web = webAddressIn(line);
  const { onEvent } = new EventPrinter(terminal);
  const { name, size: bytes, ...link } = await makeLink({
    ...options,
    name: wanted,
    expiresSeconds: seconds,
    uses,
    onEvent,
  });
  await printLink({ ...link, name, bytes, web }, { terminal, line });
  terminal.note(
    link.isHeld
      ? `valid for ${fetchesInWords(uses)} in the next ` +
        `${formatDuration(seconds)}, by anyone who has it`
      : "the relay is open: the link works as long as the file has this content",
  );
  if (web === undefined) warnOfLoopback(link.relays, terminal);
  else warnOfGateway(line, terminal);
  return 0;
}

/** Number of fetches, in words. */
export function fetchesInWords(uses: number): string {
  return uses === 1 ? "one fetch" : `${uses} fetches`;
}

/** Warns of a link that does not work on other machines. */
export function warnOfLoopback(
  relays: readonly RelayAddress[],
  terminal: Terminal,
): void {
  const found = relays.find(({ host }) => isLoopback(host));
  if (found === undefined) return;
  terminal.note(
    `warning: the link names ${found.host}, which means another machine ` +
      "elsewhere; use the address at which others reach the relay",
  );
}

/** A link to report. */
export interface PrintedLink extends LinkText {
  readonly name: string;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Makes the address for a browser, if one is wanted. */
  readonly web: WebAddress | undefined;
}

/** Prints a link, or its address for a browser, and on request a code of it. */
export async function printLink(
  { text: link, name, bytes, isHeld, web, relays, leftOut }: PrintedLink,
  { terminal, line }: SecretSource,
): Promise<void> {
  const url = web?.(link, bytes);
  terminal.revealEvent(
    {
      ...{ event: "link_made", link, ...given({ url }) } as const,
      ...{ name, bytes, isHeld, relays: relays.map(formatEndpoint) },
    } satisfies CliEvent,
  );
  const text = url ?? link;
  terminal.reveal(text);
  if (line.isOn("qr")) await drawQr(text, terminal);
  if (leftOut.length === 0) return;
  const unnamed = leftOut.map(formatEndpoint).join(", ");
  terminal.note(
    `warning: the link is too long to name all relays; missing: ${unnamed}`,
  );
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

/**
 * Refuses a hidden name that the user has not typed: programs read files of
 * such names on their own, as a shell does at its start.
 */
function requireOpenName(
  name: string,
  { path, output }: { path: string; output: string | undefined },
): void {
  const isHidden = name.split("/").at(-1)!.startsWith(".");
  if (!isHidden || path === output) return;
  throw new Failure("usage", {
    what: "Cannot save file of link",
    where: show(name),
    why: "its name begins with a dot, and you have not chosen it",
    remedy: "name a file with -o",
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
  const { name, content, sender } = link;
  // Each relay has made its own pass. The fetch has one id for all.
  const [pass] = relaysOfLink(link).flatMap(({ pass }) => pass ?? []);
  if (pass !== undefined && line.isOn("dry-run")) {
    throw new Failure("usage", {
      what: "Cannot use --dry-run",
      why: "asking for the file would use up one fetch of the link",
      remedy: "get LINK fetches it, and never replaces a file",
    });
  }
  const selection = { kind: "name", name } as const;
  const output = line.value("output");
  const path = output === "-"
    ? output
    : (await destination(output, [selection], {
      isDry: line.isOn("dry-run"),
    })).pathOf(name, selection);
  requireOpenName(name, { path, output });
  const optionsFor = (fetch: string): TransferOptions => ({
    ...options,
    ...given({ sender }),
    content,
    access: { ...options.access, link: { pass: link.pass, name, fetch } },
  });
  if (pass === undefined || output === "-") {
    return await run(optionsFor(newFetchId()), selection);
  }
  const kept = await KeptFetch.open(path, pass);
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
