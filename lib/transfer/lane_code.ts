/**
 * The code of a lane: a worker that hashes pieces, and writes the right ones to
 * a file. {@linkcode runLane} must not use anything outside itself, because a
 * worker gets it as text: a worker made from a module would need a permission to
 * read that module.
 *
 * @module
 */

import type { createHash } from "node:crypto";
import type { LaneConnOrder, LaneConnReply } from "./lane_conn_messages.ts";
import type { LaneError, LaneFiles } from "./lane_files.ts";

/** An order to a lane. Its answers have the same `id`. */
export type LaneOrder =
  | {
    readonly kind: "hash";
    readonly id: number;
    readonly bytes: Uint8Array;
    readonly partBytes: number;
  }
  /** Opens a file, which later orders name by this `id`. */
  | {
    readonly kind: "open";
    readonly id: number;
    readonly path: string;
    readonly ino: number | null;
    readonly dev: number;
  }
  /** Writes the parts of `bytes` up to the first one with a wrong hash. */
  | {
    readonly kind: "save";
    readonly id: number;
    readonly file: number;
    readonly position: number;
    readonly bytes: Uint8Array;
    readonly partBytes: number;
    readonly hashes: Uint8Array;
  }
  | { readonly kind: "close"; readonly id: number; readonly file: number };

/** An answer of a lane. A `save` has two answers. */
export type LaneReply =
  | {
    readonly kind: "hashed";
    readonly id: number;
    /** The bytes, returned unless they are in shared memory. */
    readonly bytes: Uint8Array | undefined;
    readonly hashes: readonly Uint8Array[];
  }
  /** Whether the path led to the expected file, and it could be opened. */
  | { readonly kind: "opened"; readonly id: number; readonly isOpen: boolean }
  /** Nothing more is written to it. */
  | { readonly kind: "closed"; readonly id: number }
  /** The number of correct parts; they are written next. */
  | { readonly kind: "checked"; readonly id: number; readonly right: number }
  | {
    readonly kind: "written";
    readonly id: number;
    /** Whether the file still has a name. */
    readonly hasName: boolean;
    readonly error: LaneError | undefined;
  };

/** The parts of a worker's scope that a lane uses. */
export interface LaneScope {
  /** Called for each order. */
  onmessage:
    | ((event: { readonly data: LaneOrder | LaneConnOrder }) => void)
    | null;
  /** Sends an answer. */
  postMessage(
    reply: LaneReply | LaneConnReply,
    transfer: Transferable[],
  ): void;
}

/**
 * Answers the orders that arrive in `scope`, one after another. Orders for
 * connections go to the function that `connsOf` returns.
 */
export function runLane(
  scope: LaneScope,
  { createHash: newHash, connsOf }: {
    readonly createHash: typeof createHash;
    readonly connsOf?: (files: LaneFiles) => (order: LaneConnOrder) => void;
  },
): void {
  const files = new Map<number, Deno.FsFile>();

  const hashOf = (bytes: Uint8Array) =>
    new Uint8Array(newHash("sha256").update(bytes).digest());

  const isInode = (
    info: Deno.FileInfo,
    { ino, dev }: { ino: number | null; dev: number },
  ) => info.isFile && info.ino === ino && info.dev === dev;

  /** Number of parts, from the first on, that have the expected hashes. */
  const countRight = (
    { bytes, partBytes, hashes }: {
      bytes: Uint8Array;
      partBytes: number;
      hashes: Uint8Array;
    },
  ) => {
    const count = Math.ceil(bytes.length / partBytes);
    for (let part = 0; part < count; part++) {
      const start = part * partBytes;
      const hash = hashOf(bytes.subarray(start, start + partBytes));
      const from = part * hash.length;
      if (!hash.every((byte, at) => byte === hashes[from + at])) return part;
    }
    return count;
  };

  const write = (file: Deno.FsFile, position: number, bytes: Uint8Array) => {
    file.seekSync(position, Deno.SeekMode.Start);
    for (let written = 0; written < bytes.length;) {
      try {
        written += file.writeSync(bytes.subarray(written));
      } catch (error) {
        // A signal interrupted the call: it is made again.
        const { code, message } = error as Error & { code?: string };
        if (code !== "EINTR" && !message.endsWith("(os error 4)")) throw error;
      }
    }
  };

  const described = (error: unknown) => {
    const { name, message, code } = error as Error & { code?: string };
    return { name, message, code };
  };

  const hash = (order: LaneOrder & { kind: "hash" }) => {
    const { id, bytes, partBytes } = order;
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += partBytes) {
      hashes.push(hashOf(bytes.subarray(at, at + partBytes)));
    }
    const isOwn = bytes.buffer instanceof ArrayBuffer;
    scope.postMessage(
      { kind: "hashed", id, bytes: isOwn ? bytes : undefined, hashes },
      isOwn ? [bytes.buffer] : [],
    );
  };

  const openFile = ({ id, path, ...inode }: LaneOrder & { kind: "open" }) => {
    let file: Deno.FsFile | undefined;
    try {
      // Checked before opening too: opening a pipe would block the thread.
      if (isInode(Deno.lstatSync(path), inode)) {
        // For reading too: opening a pipe only for writing would block.
        file = Deno.openSync(path, { read: true, write: true });
        if (isInode(file.statSync(), inode)) files.set(id, file);
        else file.close();
      }
    } catch {
      file?.close(); // the main thread then writes the file itself
    }
    scope.postMessage({ kind: "opened", id, isOpen: files.has(id) }, []);
  };

  const save = (order: LaneOrder & { kind: "save" }) => {
    const { id, position, bytes, partBytes } = order;
    const right = countRight(order);
    scope.postMessage({ kind: "checked", id, right }, []);
    let error: LaneError | undefined;
    let hasName = true;
    try {
      const file = files.get(order.file)!;
      write(file, position, bytes.subarray(0, right * partBytes));
      hasName = file.statSync().nlink !== 0;
    } catch (thrown) {
      error = described(thrown);
    }
    scope.postMessage({ kind: "written", id, hasName, error }, []);
  };

  const conns = connsOf?.({ open: files, hashOf, write, described });
  scope.onmessage = ({ data: order }) => {
    switch (order.kind) {
      case "hash":
        return hash(order);
      case "open":
        return openFile(order);
      case "save":
        return save(order);
      case "close":
        files.get(order.file)?.close();
        files.delete(order.file);
        return scope.postMessage({ kind: "closed", id: order.id }, []);
      default:
        return conns?.(order);
    }
  };
}
