/**
 * The command `p2p` itself: a script for a POSIX shell that has the launcher
 * work out a command line, and becomes that. Signals, the terminal, standard
 * input and the exit code are therefore those of the program. Pure.
 *
 * @module
 */

import { join } from "@std/path/join";
import { commandLine, quoted } from "./shell.ts";

/** What the second line of every shim says; nothing else is replaced. */
export const SHIM_MARK = "# p2p of relay-p2p";

/** The text of the script for the program in `folder`. */
export function shimText(folder: string, version: string): string {
  const launcher = commandLine([
    join(folder, "deno"),
    ...["run", "--no-prompt", "--allow-read"],
    "--allow-env=RELAY_P2P_*,DENO_DIR,HOME,XDG_DATA_HOME,XDG_CONFIG_HOME,XDG_STATE_HOME",
    join(folder, "packaging", "p2p", "launch.ts"),
  ]);
  return [
    "#!/bin/sh",
    `${SHIM_MARK} ${version}, made by its task install; p2p uninstall removes it`,
    `DENO_DIR=${quoted(join(folder, "cache"))}`,
    "RELAY_P2P_COMMAND=p2p",
    // This Deno is replaced with the program, and asks nobody about later ones.
    "DENO_NO_UPDATE_CHECK=1",
    "export DENO_DIR RELAY_P2P_COMMAND DENO_NO_UPDATE_CHECK",
    // Deno would open /dev/null in place of a closed stdout, and report nothing.
    "{ true 3>&1; } 2>/dev/null || [ ! -w /dev/full ] || exec >/dev/full",
    // A role may not read this variable, but Deno obeys the other.
    '[ "${TERM-}" != dumb ] || export NO_COLOR=1',
    `statement=$(${launcher} "$@" </dev/null) || {`,
    "  code=$?",
    `  [ -z "$statement" ] || printf '%s\\n' "$statement"`,
    '  exit "$code"',
    "}",
    'eval "$statement"',
    "",
  ].join("\n");
}

/** The program's folder that a shim starts; `undefined` for another script. */
export function folderOfShim(text: string): string | undefined {
  if (!text.includes(`\n${SHIM_MARK} `)) return undefined;
  const [, word] = /^DENO_DIR=(.+)\/cache'?$/m.exec(text) ?? [];
  return word?.replace(/^'/, "").replaceAll(`'\\''`, "'");
}

/** The file that one installation at a time locks. */
export const LOCK_FILE = "install.lock";

/** Whether a name in the data folder is that of an installation. */
export function isAppFolder(name: string): boolean {
  return /^app-[\w.-]+$/.test(name);
}
