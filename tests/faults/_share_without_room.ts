/**
 * A share in a process without file descriptors. A process of its own, so that
 * it may use them all up. Run as `_share_without_room.ts SHARE ASIDE`; what is
 * in ASIDE comes into SHARE while there are none. The last line is what it saw,
 * as JSON.
 */

import { join } from "@std/path";
import { Digests } from "../../lib/share/digests.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";

/** What was seen of the share. */
export interface WithoutRoom {
  /** Whether its folder was taken to be there. */
  readonly isReadable: boolean;
  /** Names once there were descriptors again. */
  readonly names: readonly string[];
  /** What became of a file that was to be hashed meanwhile. */
  readonly hashed: string;
}

/** Takes all file descriptors there are. */
function takeAll(path: string): Disposable {
  const held: Deno.FsFile[] = [];
  try {
    for (;;) held.push(Deno.openSync(path));
  } catch (error) {
    if (held.length === 0) throw error;
  }
  return {
    [Symbol.dispose]: () => {
      for (const file of held) file.close();
    },
  };
}

async function look(folder: string, aside: string): Promise<WithoutRoom> {
  const limits = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };
  await using share = await Share.open(folder, limits);
  await using digests = new Digests(share, {
    limits,
    isBusy: () => false,
    onIdle: () => {},
  });
  const known = share.named("a.txt")!;
  const coming = await Array.fromAsync(Deno.readDir(aside));
  let pending: {
    looked: Promise<unknown>;
    hashed: ReturnType<Digests["describe"]>;
  };
  let isReadable: boolean;
  {
    using _room = takeAll(known.path);
    for (const { name } of coming) {
      await Deno.rename(join(aside, name), join(folder, name));
    }
    pending = {
      looked: share.find("no such é"), // scans the folder
      hashed: digests.describe(known),
    };
    isReadable = await share.isReadable();
  }
  await pending.looked;
  const { kind } = await pending.hashed;
  const names = [...share.files()].map(({ name }) => name);
  return { isReadable, names, hashed: kind };
}

if (import.meta.main) {
  const [folder = "", aside = ""] = Deno.args;
  const seen = await look(folder, aside);
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(seen)));
}
