/**
 * Answers requests for files: ranges, conditions, names to save under.
 *
 * @module
 */

import type { Field, HttpAnswer } from "../http/answer.ts";
import { typeFields } from "../http/content_types.ts";
import { httpDate } from "../http/dates.ts";
import { attachment } from "../http/disposition.ts";
import { type Extent, extentOf } from "../http/ranges.ts";
import type { WebRequest } from "../http/web_server.ts";
import type { GatewayFile } from "./file_source.ts";
import { errorText } from "./failures.ts";
import type { Transfers } from "./transfers.ts";

/** How to serve a file. */
export interface FileOptions {
  readonly transfers: Transfers;
  /** How long, and by whom, the answer may be kept. */
  readonly keeping: Keeping;
  /** Called when all bytes of the answer were sent. */
  readonly whole?: () => void;
}

/** The values of `Cache-Control`: which caches may keep an answer. */
export const KEEPING = {
  /** Its address may mean another content later. */
  asked: "no-cache",
  /** Its address always names this content. */
  always: "public, max-age=31536000, immutable",
  /** The same, if a token is needed: no cache may give it to others. */
  alwaysOwn: "private, max-age=31536000, immutable",
  /** By nobody. */
  never: "no-store",
} as const;

/** A row of {@linkcode KEEPING}. */
export type Keeping = keyof typeof KEEPING;

/**
 * The answer to a request for a file. Waits for its first bytes.
 *
 * @throws {Failure} if no node sends them.
 */
export async function answerWithFile(
  request: WebRequest,
  file: GatewayFile,
  { transfers, keeping, whole }: FileOptions,
): Promise<HttpAnswer> {
  const { size, modifiedMs, content, version } = file;
  const etag = content === undefined ? `W/"${version}"` : `"${content}"`;
  const extent = extentOf(request, size, { etag, modifiedMs });
  const common: Field[] = [
    ["ETag", etag],
    ...writtenOf(file),
    ["Cache-Control", KEEPING[keeping]],
    ["Accept-Ranges", "bytes"],
    // Also in a browser that does not say which site asks.
    ["Referrer-Policy", "no-referrer"],
  ];
  if (extent.kind === "unchanged") return { status: 304, fields: common };
  if (extent.kind === "changed") return { status: 412, fields: common };
  if (extent.kind === "none") {
    const fields: Field[] = [...common, ["Content-Range", `bytes */${size}`]];
    return { status: 416, fields };
  }
  const { status, section, range } = partOf(extent, size);
  const fields = [
    ...common,
    ...range,
    ...typeFields(file.name),
    ...dispositionOf(request, file.name),
    ...digestOf(file),
  ];
  const length = section.end - section.start;
  if (request.method === "HEAD") {
    return { status, fields, body: { length, parts: () => [] } };
  }
  const bytes = bytesOf(file, { section, request, transfers, whole });
  const parts = await begun(bytes, request.signal);
  return { status, fields, body: { length, parts } };
}

/**
 * Waits for the first part, so that an earlier failure is reported by the
 * status. Ends the parts when the client disconnects, even if they are not
 * being read.
 */
async function begun(
  bytes: AsyncGenerator<Uint8Array>,
  signal: AbortSignal,
): Promise<() => AsyncGenerator<Uint8Array>> {
  const end = () => void bytes.return(undefined).catch(() => {}); // thrown below
  signal.addEventListener("abort", end, { once: true });
  const forget = () => signal.removeEventListener("abort", end);
  const first = await bytes.next().catch((error) => {
    forget();
    throw error;
  });
  return async function* () {
    try {
      if (first.done) return;
      yield first.value;
      yield* bytes;
    } finally {
      forget();
      await bytes.return(undefined);
    }
  };
}

function partOf(extent: Extent & { kind: "whole" | "part" }, size: number) {
  if (extent.kind === "whole") {
    return { status: 200, section: { start: 0, end: size }, range: [] };
  }
  const { start, end } = extent;
  const value = `bytes ${start}-${end - 1}/${size}`;
  const range: Field[] = [["Content-Range", value]];
  return { status: 206, section: { start, end }, range };
}

function dispositionOf({ query }: WebRequest, name: string): Field[] {
  if (!new URLSearchParams(query).has("download")) return [];
  const last = name.slice(name.lastIndexOf("/") + 1);
  return [["Content-Disposition", attachment(last)]];
}

function writtenOf({ modifiedMs }: GatewayFile): Field[] {
  const date = httpDate(modifiedMs);
  return date === undefined ? [] : [["Last-Modified", date]];
}

function digestOf({ sha256 }: GatewayFile): Field[] {
  if (sha256 === undefined) return [];
  const base64 = Uint8Array.fromHex(sha256).toBase64();
  return [["Repr-Digest", `sha-256=:${base64}:`]];
}

/** The bytes of an answer, noted as a transfer. */
async function* bytesOf(
  file: GatewayFile,
  { section, request, transfers, whole }: {
    section: { start: number; end: number };
    request: WebRequest;
    transfers: Transfers;
    whole: (() => void) | undefined;
  },
): AsyncGenerator<Uint8Array> {
  const note = transfers.begin(file, section);
  const { signal } = request;
  try {
    const from = note.from.bind(note);
    for await (const bytes of file.read(section, { signal, from })) {
      yield bytes;
      note.sent(bytes.length);
    }
    note.ended("done");
    whole?.();
  } catch (error) {
    if (!signal.aborted) note.ended("failed", errorText(error));
    throw error;
  } finally {
    note.ended("cancelled"); // unless it has ended otherwise
  }
}
