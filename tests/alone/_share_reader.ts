/**
 * Reads one file of a share over and over, in every way there is, and looks for
 * bytes that must not be in it. A process of its own, so that it has just the
 * permissions it is given. Run as `_share_reader.ts PATH NAME SECONDS`, with the
 * path of a folder or a file. It says `open` once the share is open; the last
 * line is what it counted, as JSON.
 */

import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";

/** The byte that the secret is made of. */
export const SECRET_BYTE = 0x53;

/** A name that only the place has which must not be served. */
export const SECRET_NAME = "secret-name";

/** What a reader met. */
export interface ReaderCounts {
  /** Times the file was read, and was the right one. */
  readonly read: number;
  /** Times it was refused, by the reason. */
  readonly refused: Record<string, number>;
  /** Times it was not found. */
  readonly missing: number;
  /** Times the secret was served. */
  readonly leaked: number;
  /** Times a name was listed that is not in the share. */
  readonly listed: number;
}

async function count(
  path: string,
  name: string,
  seconds: number,
): Promise<ReaderCounts> {
  // It scans the folder again for an unknown name with an accent.
  using share = await Share.open([{ path }], {
    ...LIMITS,
    rescanPauseMs: 0,
    rescanPercent: 100,
  });
  await Deno.stdout.write(new TextEncoder().encode("open\n"));
  const refused: Record<string, number> = {};
  let read = 0, missing = 0, leaked = 0, listed = 0;
  const judge = (bytes: Uint8Array) => {
    if (bytes.includes(SECRET_BYTE)) leaked++;
    else read++;
  };
  const refuse = (reason: string) =>
    refused[reason] = (refused[reason] ?? 0) + 1;
  const openAndRead = async (file: ShareFile) => {
    const outcome = share.open(file);
    if (outcome.kind === "refused") {
      refuse(outcome.reason);
      return;
    }
    using opened = outcome.opened;
    const buffer = new Uint8Array(64);
    const count = await opened.read(buffer, 0);
    judge(buffer.subarray(0, count));
  };
  const readSmall = (file: ShareFile) => {
    const outcome = share.readSmall(file);
    if (outcome.kind === "refused") refuse(outcome.reason);
    else judge(outcome.bytes);
  };
  const until = performance.now() + 1_000 * seconds;
  while (performance.now() < until) {
    for (const { name } of share.files()) {
      if (name.endsWith(SECRET_NAME)) listed++;
    }
    const file = await share.find(name);
    if (file === undefined) {
      missing++;
      await share.find("no such é"); // by a scan, too
      continue;
    }
    // What was found once is asked for many times.
    for (let turn = 0; turn < 20; turn++) {
      readSmall(file);
      await openAndRead(file);
    }
  }
  return { read, refused, missing, leaked, listed };
}

if (import.meta.main) {
  const [path, name, seconds] = Deno.args as [string, string, string];
  const counts = await count(path, name, Number(seconds));
  const line = JSON.stringify(counts) + "\n";
  await Deno.stdout.write(new TextEncoder().encode(line));
}
