/**
 * The command `verify`: checks whether a file still matches a receipt. It needs
 * no network.
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { counted, show } from "../../base/text.ts";
import { CLIENT as SPEC } from "../options/command_table.ts";
import { digestFile, type FileDigests } from "./digest.ts";
import { usageFailure } from "../options/command_line.ts";
import { lastPart, readReceipt, type ReceiptFile } from "./receipt.ts";
import type { Terminal } from "../output/terminal.ts";

/** Runs the command; resolves to its exit code. */
export async function runVerify(
  words: readonly string[],
  { terminal, signal }: { terminal: Terminal; signal: AbortSignal },
): Promise<number> {
  const [path, receiptPath, ...more] = words;
  if (path === undefined || receiptPath === undefined || more.length > 0) {
    throw usageFailure(
      SPEC,
      "verify needs a file and its receipt",
      SPEC.commands["verify"]!.usage,
    );
  }
  const receipt = await readReceipt(receiptPath);
  const entries = entriesFor(path, receipt.files);
  if (entries.length === 0) {
    throw new Failure("local", {
      what: "Cannot verify file",
      where: show(path),
      why:
        `${show(receiptPath)} describes ${
          counted(receipt.files.length, "file")
        }, ` +
        "but none with that name",
      remedy: "name the file as it was saved",
    });
  }
  const found = await digestFile(path, signal);
  const entry = entries.find((entry) => isSame(entry, found));
  if (entry === undefined) throw differs(path, entries[0]!, found);
  const { name, receivedAt } = entry;
  terminal.fact(
    `${show(path)} is unchanged since it was received on ${receivedAt}: ` +
      `${counted(found.bytes, "byte")}, SHA-256 ${found.sha256}`,
  );
  terminal.event({ event: "file_verified", path, name, ...found, receivedAt });
  return 0;
}

/**
 * The entries of a receipt for a file: those with its path, or otherwise those
 * with its last component. If a receipt has only one entry, it applies to any
 * file.
 */
function entriesFor(
  path: string,
  files: readonly ReceiptFile[],
): readonly ReceiptFile[] {
  const exact = files.filter((file) => file.path === path);
  if (exact.length > 0) return exact;
  const named = files.filter((file) => lastPart(file.path) === lastPart(path));
  return named.length > 0 ? named : files.length === 1 ? files : [];
}

function isSame(entry: ReceiptFile, found: FileDigests): boolean {
  return entry.bytes === found.bytes && entry.sha256 === found.sha256 &&
    entry.content === found.content;
}

function differs(
  path: string,
  entry: ReceiptFile,
  found: FileDigests,
): Failure {
  const why = entry.bytes !== found.bytes
    ? `it has ${counted(found.bytes, "byte")}, but ${entry.bytes} were received`
    : entry.sha256 !== found.sha256
    ? `its SHA-256 is ${found.sha256}, but ${entry.sha256} was received`
    : "the receipt contradicts itself: SHA-256 and content id belong to different files";
  return new Failure("corrupt", {
    what: "Cannot verify file",
    where: show(path),
    why,
    remedy: "fetch it again",
  });
}
