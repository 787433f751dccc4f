/**
 * Digests on the disk, in a folder of `--state`: one line a file in `index`, and
 * the piece hashes of larger files in one file each, named by content id.
 * Everything in it can be computed again: what is damaged is left aside.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { DescribedFile, DigestStore } from "./digests.ts";
import { describeCause, Failure, localKindOf } from "./errors.ts";
import type { FileDigest } from "./file_table.ts";
import { isContentId } from "./manifest.ts";
import { grantRemedy, requireAccess } from "./permission.ts";
import { show } from "./text.ts";

const FLUSH_MS = 1_000;
const FLUSH_LINES = 256;

/** Keeps digests in a folder. Disposing writes what has not been written. */
export class DigestFolder implements DigestStore, Disposable {
  readonly #folder: string;
  readonly #digests: Map<string, FileDigest>;
  #lines: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(folder: string, digests: Map<string, FileDigest>) {
    this.#folder = folder;
    this.#digests = digests;
  }

  /**
   * Opens the folder, made where there is none.
   *
   * @throws {Failure} of kind `local` when it cannot be used.
   */
  static async open(folder: string): Promise<DigestFolder> {
    try {
      requireAccess(folder, "read", "write");
      await Deno.mkdir(join(folder, "manifests"), {
        recursive: true,
        mode: 0o700,
      });
      const path = join(folder, "index");
      const text = await readText(path);
      const digests = parseIndex(text);
      const store = new DigestFolder(folder, digests);
      const lineCount = text.split("\n").length;
      const isCut = text !== "" && !text.endsWith("\n");
      if (isCut || lineCount > 2 * digests.size + 100) await store.#rewrite();
      return store;
    } catch (error) {
      throw new Failure(localKindOf(error), {
        what: "Cannot use state folder",
        where: show(folder),
        why: describeCause(error),
        remedy: error instanceof Deno.errors.NotCapable
          ? grantRemedy([folder], "read", "write")
          : "name another --state folder",
        cause: error,
      });
    }
  }

  /** What was kept of a file. */
  get(key: string): FileDigest | undefined {
    return this.#digests.get(key);
  }

  /** Keeps a digest, and writes it soon. */
  put(key: string, { content, sha256, manifest }: DescribedFile): void {
    this.#digests.set(key, { content, sha256 });
    if (manifest.pieceCount > 1) this.#writeManifest(content, manifest.hashes);
    this.#lines.push(formatLine(key, { content, sha256 }));
    if (this.#lines.length >= FLUSH_LINES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  /** The hashes of a manifest that was kept, by content id. */
  hashesOf(content: string): Uint8Array | undefined {
    if (!isContentId(content)) return undefined;
    try {
      return Deno.readFileSync(join(this.#folder, "manifests", content));
    } catch {
      return undefined; // to be computed again
    }
  }

  #writeManifest(content: string, hashes: Uint8Array): void {
    const path = join(this.#folder, "manifests", content);
    this.#attempt(() => Deno.writeFileSync(path, hashes, { mode: 0o600 }));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#lines.join("");
    this.#lines = [];
    const options = { append: true, mode: 0o600 };
    const path = join(this.#folder, "index");
    if (text !== "") {
      this.#attempt(() => Deno.writeTextFileSync(path, text, options));
    }
  }

  /** A full disk costs the next start some time, and nothing else. */
  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (error instanceof TypeError) throw error;
    }
  }

  async #rewrite(): Promise<void> {
    const lines = [...this.#digests].map(([key, digest]) =>
      formatLine(key, digest)
    );
    const temporary = join(this.#folder, `index.${crypto.randomUUID()}`);
    await Deno.writeTextFile(temporary, lines.join(""), { mode: 0o600 });
    await Deno.rename(temporary, join(this.#folder, "index"));
  }

  /** Writes what has not been written. */
  [Symbol.dispose](): void {
    this.#flush();
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function formatLine(key: string, { content, sha256 }: FileDigest): string {
  return `${content} ${sha256} ${JSON.stringify(key)}\n`;
}

/** The last word on each file; lines that are damaged are left aside. */
function parseIndex(text: string): Map<string, FileDigest> {
  const digests = new Map<string, FileDigest>();
  for (const line of text.split("\n")) {
    const match = /^([0-9a-f]{64}) ([0-9a-f]{64}) (".*")$/s.exec(line);
    if (match === null) continue;
    const [, content = "", sha256 = "", quoted = ""] = match;
    try {
      digests.set(JSON.parse(quoted) as string, { content, sha256 });
    } catch {
      continue; // cut in the middle
    }
  }
  return digests;
}
