/**
 * The code of a lane that owns connections: it dials, receives pieces straight
 * into one buffer, verifies them there and writes the right ones. Everything
 * else that a node sends goes to the main thread. {@linkcode runLaneConns} must
 * not use anything outside itself; see `lane_code.ts`.
 *
 * @module
 */

import type { LaneError, LaneFiles } from "./lane_files.ts";

/** What dials in a lane; it belongs to `transport`. */
export type LaneDialler<Pin> = (
  options: {
    readonly hostname: string;
    readonly port: number;
    readonly pin: Pin | null;
    readonly signal: AbortSignal;
  },
  opened: (conn: Deno.Conn) => void,
) => Promise<Deno.Conn>;

/** What a lane is told to do with its connections, which `conn` numbers. */
export type LaneConnOrder =
  | {
    readonly kind: "dial";
    readonly conn: number;
    readonly hostname: string;
    readonly port: number;
    /** What the peer must present; plaintext without it. */
    readonly pin: unknown;
    /** Shared memory, in which the lane counts; see {@linkcode CELL}. */
    readonly cells: Int32Array<SharedArrayBuffer>;
  }
  | { readonly kind: "send"; readonly conn: number; readonly bytes: Uint8Array }
  /** The file bytes of a request go to a file that was opened before. */
  | {
    readonly kind: "expect";
    readonly conn: number;
    readonly request: number;
    readonly file: number;
    readonly position: number;
    readonly bytes: number;
    readonly partBytes: number;
    readonly hashes: Uint8Array;
  }
  /** The main thread has used so many of the bytes that it got. */
  | { readonly kind: "ack"; readonly conn: number; readonly bytes: number }
  | { readonly kind: "close_write"; readonly conn: number }
  | { readonly kind: "hang_up"; readonly conn: number };

/** How far the pieces of a request have come. */
export interface Verdict {
  /** The request. */
  readonly request: number;
  /** So many, from the first on, are right and have been written. */
  readonly right: number;
  /** Whether the next one has another hash than it must have. */
  readonly isWrong: boolean;
  /** Whether the file still has a name. */
  readonly hasName: boolean;
  /** Why no more is written. */
  readonly error: LaneError | undefined;
}

/**
 * A part of what came: bytes, or a number of file bytes that stayed in the lane,
 * or what became of these.
 */
export type Came = Uint8Array | number | Verdict;

/** What a lane says of its connections. */
export type LaneConnReply =
  | {
    readonly kind: "dialled";
    readonly conn: number;
    readonly local: Deno.NetAddr;
    readonly remote: Deno.NetAddr;
  }
  | {
    readonly kind: "came";
    readonly conn: number;
    readonly parts: readonly Came[];
  }
  /** Nothing more comes; an error unless the peer half-closed. */
  | {
    readonly kind: "ended";
    readonly conn: number;
    readonly error: LaneError | undefined;
  };

/** What each of the shared cells counts. */
export const CELL = {
  /** Bytes that have come, modulo 2^32. */
  received: 0,
  /** Whether the lane writes, and so does not read. */
  isWriting: 1,
  /** Milliseconds for which it has written in all. */
  writingMs: 2,
} as const;

/** Types of frames, and limits, which the code cannot import. */
export interface LaneConnTerms {
  readonly dataType: number;
  readonly frameHeaderBytes: number;
  readonly dataHeaderBytes: number;
  /** Bytes of the largest body of a data frame. */
  readonly mostBytes: number;
  /** Bytes that the main thread may get and not have used. */
  readonly unusedBytes: number;
  /** Bytes of the buffer for pieces; a larger piece makes it larger. */
  readonly bufferBytes: number;
  /** Milliseconds after which the main thread hears how far it is. */
  readonly tellMs: number;
}

/** The inside of a worker, as far as connections use it. */
export interface LaneConnScope {
  /** Sends an answer. */
  postMessage(reply: LaneConnReply, transfer: Transferable[]): void;
}

/** Takes orders for connections; returns what takes the next one. */
export function runLaneConns<Pin>(
  scope: LaneConnScope,
  files: LaneFiles,
  { dialler, terms, cell }: {
    dialler: LaneDialler<Pin>;
    terms: LaneConnTerms;
    cell: typeof CELL;
  },
): (order: LaneConnOrder) => void {
  interface Task {
    file: number;
    position: number;
    bytes: number;
    partBytes: number;
    hashes: Uint8Array;
    /** Bytes that have come, and those of them that are right and written. */
    filled: number;
    saved: number;
    right: number;
    isWrong: boolean;
    hasName: boolean;
    error: LaneError | undefined;
    /** Whether the rest is thrown away. */
    isOver: boolean;
  }
  interface Line {
    readonly id: number;
    readonly cells: Int32Array<SharedArrayBuffer>;
    readonly abort: AbortController;
    readonly tasks: Map<number, Task>;
    conn: Deno.Conn | undefined;
    writes: Promise<void>;
    unusedBytes: number;
    wake: () => void;
    parts: Came[];
    /** File bytes that have come since the last part. */
    skipped: number;
    toldAt: number;
    buffer: Uint8Array | undefined;
    readonly ahead: Uint8Array;
    start: number;
    end: number;
    isEnded: boolean;
  }
  const lines = new Map<number, Line>();

  const end = (line: Line, error?: unknown) => {
    if (line.isEnded) return;
    line.isEnded = true;
    tell(line);
    const told = error === undefined ? undefined : files.described(error);
    scope.postMessage({ kind: "ended", conn: line.id, error: told }, []);
    // After a half-close by the peer this end may still send.
    if (error !== undefined) hangUp(line);
  };

  const hangUp = (line: Line) => {
    line.isEnded = true;
    lines.delete(line.id);
    line.abort.abort();
    line.wake();
    try {
      line.conn?.close();
    } catch {
      // It was closed.
    }
    line.conn = undefined;
  };

  const tell = (line: Line) => {
    if (line.skipped > 0) line.parts.push(line.skipped);
    line.skipped = 0;
    line.toldAt = performance.now();
    if (line.parts.length === 0) return;
    const { id, parts } = line;
    line.parts = [];
    scope.postMessage({ kind: "came", conn: id, parts }, []);
  };

  /** The next bytes of the conn in `target`; nothing at the end. */
  const read = async (line: Line, target: Uint8Array) => {
    const count = await line.conn!.read(target);
    if (count !== null) Atomics.add(line.cells, cell.received, count);
    return count;
  };

  /** Reads until `bytes` are ahead; whether they are. */
  const ahead = async (line: Line, bytes: number) => {
    while (line.end - line.start < bytes) {
      line.ahead.copyWithin(0, line.start, line.end);
      line.end -= line.start;
      line.start = 0;
      const count = await read(line, line.ahead.subarray(line.end));
      if (count === null) return false;
      line.end += count;
    }
    return true;
  };

  /** Hands the main thread the next `bytes`; waits while it has too many. */
  const forward = async (line: Line, bytes: number) => {
    for (let left = bytes; left > 0;) {
      if (line.start === line.end && !await ahead(line, 1)) return false;
      const stop = Math.min(line.end, line.start + left);
      if (line.skipped > 0) line.parts.push(line.skipped);
      line.skipped = 0;
      line.parts.push(line.ahead.slice(line.start, stop));
      line.unusedBytes += stop - line.start;
      left -= stop - line.start;
      line.start = stop;
      while (line.unusedBytes > terms.unusedBytes && !line.isEnded) {
        tell(line);
        await new Promise<void>((resolve) => line.wake = resolve);
      }
    }
    return true;
  };

  /** Verifies the parts of `task` that are whole, and writes the right ones. */
  const save = (line: Line, task: Task) => {
    if (task.isOver) return;
    const buffer = line.buffer!;
    let right = task.saved;
    while (right < task.filled) {
      const stop = Math.min(right + task.partBytes, task.bytes);
      if (stop > task.filled) break;
      const at = right / task.partBytes * 32;
      const hash = files.hashOf(buffer.subarray(right, stop));
      task.isWrong = !hash.every((byte, n) => byte === task.hashes[at + n]);
      if (task.isWrong) break;
      right = stop;
    }
    task.isOver = task.isWrong;
    if (right === task.saved) return;
    const startedAt = performance.now();
    Atomics.store(line.cells, cell.isWriting, 1);
    try {
      const file = files.open.get(task.file);
      if (file === undefined) {
        task.isOver = true; // it was closed: others have delivered all of it
        return;
      }
      const bytes = buffer.subarray(task.saved, right);
      files.write(file, task.position + task.saved, bytes);
      task.hasName = file.statSync().nlink !== 0;
      task.right += Math.ceil((right - task.saved) / task.partBytes);
      task.saved = right;
    } catch (thrown) {
      task.error = files.described(thrown);
      task.isOver = true;
    } finally {
      Atomics.store(line.cells, cell.isWriting, 0);
      const ms = performance.now() - startedAt;
      Atomics.add(line.cells, cell.writingMs, Math.round(ms));
    }
  };

  /** Receives file bytes of a task. */
  const receive = async (
    line: Line,
    task: Task & { request: number },
    bytes: number,
  ) => {
    const needed = Math.max(terms.bufferBytes, task.bytes);
    if (line.buffer === undefined || line.buffer.length < needed) {
      line.buffer = new Uint8Array(needed);
    }
    const { buffer } = line;
    for (let left = bytes; left > 0;) {
      // More than was asked for is of no use, which the main thread will say.
      const at = task.filled < task.bytes ? task.filled : 0;
      const room = (task.filled < task.bytes ? task.bytes : needed) - at;
      const most = Math.min(left, room);
      const kept = Math.min(most, line.end - line.start);
      let count: number | null = kept;
      if (kept > 0) {
        const stop = line.start + kept;
        buffer.set(line.ahead.subarray(line.start, stop), at);
        line.start = stop;
      } else {
        // Not by `read`: a promise less for each record of 16 KiB.
        count = await line.conn!.read(buffer.subarray(at, at + most));
        if (count === null) return false;
        Atomics.add(line.cells, cell.received, count);
      }
      line.skipped += count;
      left -= count;
      if (task.filled < task.bytes) task.filled += count;
      if (performance.now() - line.toldAt >= terms.tellMs) tell(line);
    }
    save(line, task);
    const { request, right, isWrong, hasName, error } = task;
    line.parts.push(line.skipped, { request, right, isWrong, hasName, error });
    line.skipped = 0;
    return true;
  };

  /** One frame; whether there was one. */
  const next = async (line: Line) => {
    const { frameHeaderBytes, dataHeaderBytes } = terms;
    if (!await ahead(line, frameHeaderBytes)) return false;
    const view = () => new DataView(line.ahead.buffer, line.start);
    const type = view().getUint8(0);
    const length = view().getUint32(1);
    if (type !== terms.dataType || length <= 4 || length > terms.mostBytes) {
      if (!await forward(line, frameHeaderBytes + length)) return false;
      tell(line);
      return true;
    }
    if (!await ahead(line, dataHeaderBytes)) return false;
    const request = view().getUint32(frameHeaderBytes);
    const task = line.tasks.get(request);
    if (!await forward(line, dataHeaderBytes)) return false;
    const bytes = length - (dataHeaderBytes - frameHeaderBytes);
    if (task === undefined) {
      const isWhole = await forward(line, bytes);
      tell(line);
      return isWhole;
    }
    // Answers come in order.
    for (const earlier of line.tasks.keys()) {
      if (earlier < request) line.tasks.delete(earlier);
    }
    return await receive(line, Object.assign(task, { request }), bytes);
  };

  const dial = async (order: LaneConnOrder & { kind: "dial" }) => {
    const { conn: id, hostname, port, pin, cells } = order;
    const line: Line = {
      id,
      cells,
      abort: new AbortController(),
      tasks: new Map(),
      conn: undefined,
      writes: Promise.resolve(),
      unusedBytes: 0,
      wake: () => {},
      parts: [],
      skipped: 0,
      toldAt: 0,
      buffer: undefined,
      ahead: new Uint8Array(4096),
      start: 0,
      end: 0,
      isEnded: false,
    };
    lines.set(id, line);
    try {
      const { signal } = line.abort;
      const where = { hostname, port, pin: pin as Pin | null, signal };
      const opened = (conn: Deno.Conn) => {
        line.conn = conn;
        if (line.isEnded) hangUp(line);
      };
      line.conn = await dialler(where, opened);
      if (line.isEnded) return hangUp(line);
      const local = line.conn.localAddr as Deno.NetAddr;
      const remote = line.conn.remoteAddr as Deno.NetAddr;
      scope.postMessage({ kind: "dialled", conn: id, local, remote }, []);
      while (!line.isEnded && await next(line));
      end(line);
    } catch (error) {
      if (line.isEnded) hangUp(line);
      else end(line, error);
    }
  };

  const send = (line: Line, bytes: Uint8Array) => {
    line.writes = line.writes.then(async () => {
      for (let sent = 0; sent < bytes.length;) {
        sent += await line.conn!.write(bytes.subarray(sent));
      }
    }).catch((error) => end(line, error));
  };

  return (order) => {
    if (order.kind === "dial") {
      dial(order);
      return;
    }
    const line = lines.get(order.conn);
    if (line === undefined) return; // it has ended meanwhile
    switch (order.kind) {
      case "send":
        return send(line, order.bytes);
      case "expect": {
        const { request, file, position, bytes, partBytes, hashes } = order;
        line.tasks.set(request, {
          file,
          position,
          bytes,
          partBytes,
          hashes,
          filled: 0,
          saved: 0,
          right: 0,
          isWrong: false,
          hasName: true,
          error: undefined,
          isOver: false,
        });
        return;
      }
      case "ack":
        line.unusedBytes -= order.bytes;
        return line.wake();
      case "close_write":
        line.writes = line.writes.then(() =>
          (line.conn as Deno.TcpConn).closeWrite()
        ).catch((error) => end(line, error));
        return;
      case "hang_up":
        return hangUp(line);
    }
  };
}
