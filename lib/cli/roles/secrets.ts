/**
 * Reads secrets, tokens and links for the roles: from a file, from a variable,
 * or, with a warning, from the command line. Everything read here is kept out
 * of all output.
 *
 * @module
 */

import type { Secrets } from "../../access/relay_access.ts";
import { parseIndexKey } from "../../access/index_key.ts";
import { parseSecret, SECRET_BYTES } from "../../access/secret.ts";
import { readSecretFile } from "../../access/secret_file.ts";
import {
  formatToken,
  parseToken,
  type Token,
  tokenOf,
  type TokenRole,
} from "../../access/token.ts";
import { Failure } from "../../base/errors.ts";
import { type CommandLine, usageFailure } from "../options/command_line.ts";
import type { CommandSpec } from "../options/command_table.ts";
import { badValue } from "../options/values.ts";
import type { Terminal } from "../output/terminal.ts";
import { variableOf } from "../options/option_table.ts";

/** The command line to read from, and the terminal for warnings. */
export interface SecretSource {
  readonly line: CommandLine;
  readonly terminal: Terminal;
}

const DEFAULT_OVERLAP_SECONDS = 24 * 3_600;
const GOES_WITH = {
  "previous-secret-file": "it needs --secret-file",
  overlap: "it needs --previous-secret-file",
} as const;

/**
 * The secrets of a relay; `undefined` for an open relay. Reads the files on
 * each call, because they may have changed.
 *
 * @throws {Failure} of kind `usage`, `local` or `not_allowed`.
 */
export async function readSecrets(
  source: SecretSource,
): Promise<Secrets | undefined> {
  const { line, terminal } = source;
  const text = await wordOf("secret", source);
  const previousPath = line.value("previous-secret-file");
  const overlap = line.value("overlap");
  if (text === undefined) {
    const stray = previousPath !== undefined
      ? "previous-secret-file"
      : overlap !== undefined
      ? "overlap"
      : undefined;
    if (stray === undefined) return undefined;
    throw badValue(stray, line.value(stray)!, GOES_WITH[stray]);
  }
  const current = parseSecret(text);
  if (previousPath === undefined) {
    if (line.typed.includes("overlap")) {
      throw badValue("overlap", overlap!, GOES_WITH["overlap"]);
    }
    return { current };
  }
  const previous = await readSecretFile(previousPath, "secret");
  terminal.conceal(previous);
  const seconds = line.get("overlap") ?? DEFAULT_OVERLAP_SECONDS;
  const overlapMs = 1_000 * seconds;
  return { current, previous: { secret: parseSecret(previous), overlapMs } };
}

/** Makes a new secret. */
export function makeSecret(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
}

/** The tokens of a secret, one per line, for the user. */
export function tokenLines(secret: Uint8Array): string[] {
  return (["node", "client"] as const).map((role) =>
    `${role} token ${formatToken(tokenOf(secret, role))}`
  );
}

/**
 * The token of a role, if one is given.
 *
 * @throws {Failure} of kind `not_allowed` for a wrong token; `usage`, `local`
 * or `not_allowed` if it cannot be read.
 */
export async function readToken(
  role: TokenRole,
  source: SecretSource,
): Promise<Token | undefined> {
  const text = await wordOf("token", source);
  return text === undefined ? undefined : parseToken(text, role);
}

/**
 * The index key that nodes and clients share, as an option, if there is one.
 *
 * @throws {Failure} of kind `usage`, `local` or `not_allowed`.
 */
export async function readIndexKey(
  { line, terminal }: SecretSource,
): Promise<{ indexKey?: Uint8Array }> {
  const path = line.value("index-key-file");
  if (path === undefined) return {};
  const text = await readSecretFile(path, "index key");
  terminal.conceal(text);
  return { indexKey: parseIndexKey(text) };
}

/** The value of `--what`, or the content of the file of `--what-file`. */
async function wordOf(
  what: "secret" | "token",
  { line, terminal }: SecretSource,
): Promise<string | undefined> {
  const word = line.value(what);
  const path = line.value(`${what}-file`);
  const isTyped = (name: string) => line.typed.includes(name);
  if (isTyped(what)) {
    if (isTyped(`${what}-file`)) {
      throw new Failure("usage", {
        what: `Cannot use --${what}`,
        why: `it excludes --${what}-file`,
      });
    }
    terminal.note(
      `warning: --${what}: anyone who can list this machine's processes can ` +
        `read it; use --${what}-file FILE or ${variableOf(what)}`,
    );
    return word;
  }
  if (path === undefined) return word;
  const text = await readSecretFile(path, what);
  terminal.conceal(text);
  return text;
}

/**
 * Prints the tokens of a secret that this relay has made, once.
 *
 * @throws {Failure} of kind `usage` if nobody would see them.
 */
export function showMadeTokens(
  secret: Uint8Array,
  terminal: Terminal,
  spec: CommandSpec,
): void {
  if (terminal.options.json) {
    throw usageFailure(
      spec,
      "--json does not show the tokens of a new secret: " +
        "give one with --secret-file FILE",
    );
  }
  for (const row of tokenLines(secret)) terminal.reveal(row);
  terminal.note(
    "these tokens are shown once, and work until this relay stops; for permanent ones: (umask 077; head -c 32 /dev/urandom | base64 > FILE), " +
      "then --secret-file FILE",
  );
}
