import { assert, assertExists } from "@std/assert";
import { join } from "@std/path";
import type {
  DescribedFile,
  DescribeOutcome,
} from "../../lib/share/digesting.ts";
import { Digests, type DigestsOptions } from "../../lib/share/digests.ts";
import type { DigestStore } from "../../lib/share/manifest_cache.ts";
import type { FileDigest } from "../../lib/share/file_table.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import { Share } from "../../lib/share/share.ts";
import type { ShareFile } from "../../lib/share/shared_file.ts";
import { within } from "../_event_log.ts";
import { tempShare } from "../_temp_share.ts";

export const PIECE = 256 * 1024;

export const MIB = 1024 * 1024;

export type Files = Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>;

/** Keeps digests in memory, and what it was asked to keep. */
export class MemoryStore implements DigestStore {
  readonly digests = new Map<string, FileDigest>();
  readonly manifests = new Map<string, Uint8Array>();
  readonly puts: string[] = [];

  get(key: string): FileDigest | undefined {
    return this.digests.get(key);
  }

  put(key: string, { content, sha256, manifest }: DescribedFile): void {
    this.puts.push(key);
    this.digests.set(key, { content, sha256 });
    this.manifests.set(content, manifest.hashes.slice());
  }

  hashesOf(content: string): Uint8Array | undefined {
    return this.manifests.get(content);
  }
}

interface Setup extends AsyncDisposable {
  readonly path: string;
  readonly share: Share;
  readonly digests: Digests;
  /** The arguments of calls of `onIdle`. */
  readonly idles: readonly number[];
  /** Waits for the next time that all is hashed. */
  idle(): Promise<number>;
  /** The file of that name, as it is now. */
  file(name: string): Promise<ShareFile>;
}

/** Digests of a folder with files that were written long ago. */
export async function setUp(
  files: Files,
  overrides: Partial<DigestsOptions> = {},
): Promise<Setup> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempShare(files));
  for (const name of Object.keys(files)) await age(join(folder.path, name));
  const limits = { ...LIMITS, rescanPauseMs: 0, rescanPercent: 100 };
  const share = stack.use(await Share.open(folder.path, limits));
  const idles: number[] = [];
  let wake = Promise.withResolvers<number>();
  const digests = stack.use(
    new Digests(share, {
      limits,
      isBusy: () => false,
      onIdle: (count) => {
        idles.push(count);
        wake.resolve(count);
        wake = Promise.withResolvers();
      },
      ...overrides,
    }),
  );
  const owned = stack.move();
  return {
    path: folder.path,
    share,
    digests,
    idles,
    idle: () => within(wake.promise, "all hashed"),
    file: async (name) => {
      const file = await share.find(name);
      assertExists(file, name);
      return file;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes a file one that was written long ago. */
async function age(path: string): Promise<void> {
  await Deno.utime(path, new Date(), new Date(1_500_000_000_000));
}

export function gate(): PromiseWithResolvers<void> {
  return Promise.withResolvers<void>();
}

/** Makes the disk of a share count as slow, so that reads are asynchronous. */
export function slowDisk(share: Share): void {
  Object.defineProperty(share, "isQuick", { value: false });
}

/** Each read of one file waits for `hold`. */
export function holdReads(
  share: Share,
  { version }: ShareFile,
  hold: () => Promise<void>,
): void {
  slowDisk(share);
  const open = share.open.bind(share);
  share.open = (file) => {
    const opening = open(file);
    if (opening.kind === "refused" || file.version !== version) return opening;
    const { opened } = opening;
    const read: typeof opened.read = async (buffer, position) => {
      await hold();
      return await opened.read(buffer, position);
    };
    return { kind: "opened", opened: { ...opened, read } };
  };
}

/** SHA-256 by the other implementation that the platform has. */
export async function sha256(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** What must be known of a content, from its layout; below 16 GiB. */
export async function expectedOf(content: Uint8Array<ArrayBuffer>) {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += PIECE) {
    hashes.push(await sha256(content.slice(at, at + PIECE)));
  }
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  view.setUint32(4, content.length);
  view.setUint32(8, PIECE);
  const layout = new Uint8Array(
    [head, ...hashes].flatMap((part) => [...part]),
  );
  return {
    content: (await sha256(layout)).toHex(),
    sha256: (await sha256(content)).toHex(),
    hashes: hashes.map((hash) => hash.toHex()),
  };
}

export function describedOf(outcome: DescribeOutcome): DescribedFile {
  assert(outcome.kind === "described", `${outcome.kind}`);
  return outcome.described;
}
