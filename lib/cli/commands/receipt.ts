/**
 * Receipts: `get --receipt` records the saved files, to check them later. A
 * receipt that is read back must match the schema; nothing else in it is
 * trusted.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import type { RelayAddress } from "../../base/address.ts";
import { wrongField } from "../../base/checks.ts";
import { describeMismatch } from "../../base/mismatch.ts";
import type { ClientEvent } from "../../client/events.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { describeCause, Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { PARTIAL_SUFFIX } from "../../base/names.ts";
import { escapeJson, show } from "../../base/text.ts";
import { isSpecial, SPECIAL_WHY } from "../../disk/existing_entry.ts";
import { SmallFiles } from "../../disk/small_files.ts";
import { VERSION } from "../../base/version.ts";
import { digestFile } from "./digest.ts";
import { RECEIPT_FIELDS, RECEIPT_SCHEMA } from "./receipt_checks.ts";
import type { Receipt, ReceiptFile } from "./receipt_schema.ts";
import { readBounded, requireSaving } from "../options/text_file.ts";

export type { Receipt, ReceiptFile } from "./receipt_schema.ts";

/** Options of {@linkcode ReceiptWriter}. */
export interface ReceiptOptions {
  /** The path of the receipt. */
  readonly path: string;
  /** Whether it may replace a file. */
  readonly overwrite: boolean;
  readonly relay: RelayAddress;
  readonly encrypted: boolean;
}

// The least bytes of a file's entry without its name and path: digests, times
// and nodes.
const LEAST_FILE_BYTES = 350;

/** What is known of a file before it is read back. */
interface Noted extends
  Pick<
    ReceiptFile,
    "name" | "path" | "verified" | "receivedAt" | "from"
  > {
  /** The content id with which it was saved or found, if that is known. */
  readonly content: string | undefined;
  /** The required SHA-256 with which it was found. */
  readonly sha256?: string | undefined;
}

/** Collects the entries of a receipt from the events of a `get`. */
export class ReceiptWriter {
  readonly options: ReceiptOptions;
  readonly #noted: Noted[] = [];
  readonly #earlier = new Map<string, number>();
  /** The folder of the receipt. */
  #folder: Deno.FileInfo | undefined;
  #leastBytes = 0;

  constructor(options: ReceiptOptions) {
    this.options = options;
  }

  /**
   * Checks, before anything is fetched, that the receipt can be written.
   *
   * @throws {Failure} of kind `local` or `not_allowed`.
   */
  async check(): Promise<void> {
    const { path } = this.options;
    requireSaving(dirname(path), { what: "Cannot write receipt", where: path });
    await this.#refuseOther();
    const folder = dirname(path);
    try {
      await tryFolder(folder);
      this.#folder = await Deno.stat(folder);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw this.#cannot(describeCause(error), "choose another path");
      }
      throw this.#cannot(
        `there is no folder ${show(folder)}`,
        "create it first, or choose another path",
      );
    }
  }

  /** Refuses to replace a file, unless that is allowed. */
  async #refuseOther(): Promise<void> {
    const { path, overwrite } = this.options;
    let info: Deno.FileInfo;
    try {
      info = await Deno.lstat(path);
    } catch {
      return; // there is none, or the test below reports why
    }
    if (info.isDirectory) {
      throw this.#cannot("it is a folder", "choose another path");
    }
    const there = info.isSymlink
      ? await Deno.stat(path).catch(() => info)
      : info;
    if (isSpecial(there)) {
      throw this.#cannot(SPECIAL_WHY, "choose another path");
    }
    if (overwrite) return;
    throw this.#cannot(
      "already exists",
      "use --overwrite to replace it, or choose another name",
    );
  }

  /**
   * Checks each file before it is fetched, because afterwards it is too late to
   * refuse the receipt.
   *
   * @throws {Failure} of kind `local`.
   */
  expect(name: string, path: string): void {
    if (this.#isSame(path)) {
      throw this.#cannot(
        `${show(name)} will be saved there`,
        "choose another path",
      );
    }
    const text = JSON.stringify([name, path]);
    this.#leastBytes += LEAST_FILE_BYTES +
      new TextEncoder().encode(text).length;
    if (this.#leastBytes > LIMITS.receiptBytes) throw this.#tooLong();
  }

  /** Whether `path` is the path of the receipt, in any spelling. */
  #isSame(path: string): boolean {
    if (lastPart(path) !== lastPart(this.options.path)) return false;
    if (path === this.options.path) return true;
    try {
      const { dev, ino } = Deno.statSync(dirname(path));
      return ino !== null && ino === this.#folder?.ino &&
        dev === this.#folder.dev;
    } catch {
      return false; // a folder that does not exist yet cannot be the same
    }
  }

  #tooLong(): Failure {
    return this.#cannot(
      `it would have more than ${LIMITS.receiptBytes} bytes`,
      "fetch fewer files at a time",
    );
  }

  /** Notes an event. */
  note(event: ClientEvent): void {
    const receivedAt = new Date().toISOString();
    if (event.event === "file_resumed" || event.event === "file_kept") {
      const { name, bytes } = event;
      this.#earlier.set(name, bytes + (this.#earlier.get(name) ?? 0));
    } else if (event.event === "file_present") {
      const { name, path, content, sha256 } = event;
      const verified = "present";
      const noted = { name, path, verified, receivedAt } as const;
      this.#noted.push({ ...noted, content, sha256, from: [] });
    } else if (event.event === "file_received" && event.path !== undefined) {
      const { name, path, content } = event;
      const from = event.from.map(({ node, isHolder, bytes, paths }) => ({
        kind: isHolder ? "holder" as const : "node" as const,
        id: node.id,
        name: node.name,
        bytes,
        paths,
      }));
      const verified = "received";
      this.#noted.push({ name, path, verified, receivedAt, content, from });
    }
  }

  /**
   * Reads the files back and writes the receipt, completely or not at all.
   *
   * @returns the number of files in it; without any, nothing is written.
   * @throws {Failure} of kind `local` if reading or writing fails.
   */
  async write(): Promise<number> {
    if (this.#noted.length === 0) return 0;
    const files: ReceiptFile[] = [];
    for (const { content, sha256, ...noted } of this.#noted) {
      const digest = await digestFile(noted.path);
      // Somebody may have changed it since: this client did not save that.
      if (
        digest.content !== (content ?? digest.content) ||
        digest.sha256 !== (sha256 ?? digest.sha256)
      ) {
        throw this.#cannot(
          `${show(noted.path)} was changed after it was saved`,
          "repeat the command to a folder that nobody else changes",
        );
      }
      const earlierBytes = this.#earlier.get(noted.name) ?? 0;
      files.push({ ...noted, ...digest, earlierBytes });
    }
    const { path, overwrite, relay, encrypted } = this.options;
    const id = relay.id === undefined ? "" : `/${relay.id}`;
    const receipt: Receipt = {
      v: 1,
      receipt: "relay-p2p",
      program: `relay-p2p ${VERSION}`,
      relay: `p2p://${formatEndpoint(relay)}${id}`,
      encrypted,
      files,
    };
    const lines = JSON.stringify(receipt, undefined, 2).split("\n");
    // Names of nodes are in it, and people read it on a terminal.
    const text = lines.map(escapeJson).join("\n");
    const bytes = new TextEncoder().encode(`${text}\n`);
    if (bytes.length > LIMITS.receiptBytes) {
      throw this.#tooLong();
    }
    await new SmallFiles().save(path, bytes, {
      overwrite,
      modifiedMs: Date.now(),
    });
    return files.length;
  }

  #cannot(why: string, remedy: string): Failure {
    const where = show(this.options.path);
    return new Failure("local", {
      what: "Cannot write receipt",
      where,
      why,
      remedy,
    });
  }
}

/** The part of a path after its last slash. */
export function lastPart(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}

/** Makes a file in a folder, and removes it again. */
async function tryFolder(folder: string): Promise<void> {
  const path = join(folder, `.${crypto.randomUUID()}${PARTIAL_SUFFIX}`);
  const options = { write: true, createNew: true, mode: 0o600 };
  (await Deno.open(path, options)).close();
  await Deno.remove(path);
}

/**
 * Reads a receipt.
 *
 * @throws {Failure} of kind `local` if there is no receipt there.
 */
export async function readReceipt(path: string): Promise<Receipt> {
  const what = "Cannot read receipt";
  const mostBytes = LIMITS.receiptBytes;
  const remedy = "name a file that get --receipt wrote";
  const text = await readBounded(path, { what, mostBytes, remedy });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // reported below
  }
  if (wrongField(value, RECEIPT_FIELDS) === undefined) return value as Receipt;
  throw new Failure("local", {
    what,
    where: show(path),
    why: value === undefined
      ? "it is not JSON"
      : `it is not a receipt: ${
        describeMismatch(value, RECEIPT_SCHEMA, "the file")
      }`,
    remedy,
  });
}
