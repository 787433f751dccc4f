/**
 * The code of a lane that owns connections: it dials, receives pieces directly
 * into one buffer, verifies them there and writes the correct ones. Everything
 * else that a node sends goes to the main thread. {@linkcode runLaneConns} must
 * not use anything outside itself; see `lane_code.ts`.
 *
 * @module
 */

import type {
  ArrivedPart,
  CELL,
  LaneConnOrder,
  LaneConnReply,
  LaneConnTerms,
} from "./lane_conn_messages.ts";
import type { LaneError, LaneFiles } from "./lane_files.ts";

/** The function that dials in a lane; it belongs to `transport`. */
export type LaneDialler<Pin> = (
  options: {
    readonly hostname: string;
    readonly port: number;
    readonly pin: Pin | null;
    readonly signal: AbortSignal;
  },
  opened: (conn: Deno.Conn) => void,
) => Promise<Deno.Conn>;

/** The parts of a worker's scope that connections use. */
export interface LaneConnScope {
  /** Sends an answer. */
  postMessage(reply: LaneConnReply, transfer: Transferable[]): void;
}

/** Starts the code; returns the function that takes orders for connections. */
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
    /** Offset of the buffer in the task: a piece that is not saved yet. */
    start: number;
    /**
     * Bytes that have arrived, and how many of them are correct and written.
     */
    filled: number;
    saved: number;
    right: number;
    isWrong: boolean;
    hasName: boolean;
    error: LaneError | undefined;
    /** Whether the rest is discarded. */
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
    parts: ArrivedPart[];
    /** File bytes that have arrived since the last part. */
    skipped: number;
    reportedAt: number;
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
    report(line);
    const reported = error === undefined ? undefined : files.described(error);
    scope.postMessage({ kind: "ended", conn: line.id, error: reported }, []);
    // If the peer only half-closed, this end may still send.
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
      // It is closed already.
    }
    line.conn = undefined;
  };

  const report = (line: Line) => {
    if (line.skipped > 0) line.parts.push(line.skipped);
    line.skipped = 0;
    line.reportedAt = performance.now();
    if (line.parts.length === 0) return;
    const { id, parts } = line;
    line.parts = [];
    scope.postMessage({ kind: "arrived", conn: id, parts }, []);
  };

  /** Reads the next bytes of the conn into `target`; `null` at the end. */
  const read = async (line: Line, target: Uint8Array) => {
    const count = await line.conn!.read(target);
    if (count !== null) Atomics.add(line.cells, cell.received, count);
    return count;
  };

  /** Reads ahead until there are `bytes`; `false` if the conn ends before. */
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

  /**
   * Passes the next `bytes` to the main thread; waits while it has too many.
   */
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
        report(line);
        await new Promise<void>((resolve) => line.wake = resolve);
      }
    }
    return true;
  };

  /** Where the first wrong or incomplete part begins, after the saved ones. */
  const rightEnd = (task: Task, buffer: Uint8Array) => {
    let right = task.saved;
    while (right < task.filled) {
      const stop = Math.min(right + task.partBytes, task.bytes);
      if (stop > task.filled) break;
      const at = right / task.partBytes * 32;
      const part = buffer.subarray(right - task.start, stop - task.start);
      const hash = files.hashOf(part);
      task.isWrong = !hash.every((byte, n) => byte === task.hashes[at + n]);
      if (task.isWrong) break;
      right = stop;
    }
    return right;
  };

  /** Writes the correct parts of `task`, up to `right`. */
  const writePieces = (line: Line, task: Task, right: number) => {
    const startedAt = performance.now();
    Atomics.store(line.cells, cell.isWriting, 1);
    try {
      const file = files.open.get(task.file);
      if (file === undefined) {
        task.isOver = true; // closed: others have delivered it
        return;
      }
      const { start, saved } = task;
      const bytes = line.buffer!.subarray(saved - start, right - start);
      files.write(file, task.position + saved, bytes);
      task.hasName = file.statSync().nlink !== 0;
      task.right += Math.ceil((right - saved) / task.partBytes);
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

  /** Verifies and writes the complete parts of `task`; keeps the rest. */
  const save = (line: Line, task: Task) => {
    const buffer = line.buffer!;
    if (!task.isOver) {
      const right = rightEnd(task, buffer);
      if (right > task.saved) writePieces(line, task, right);
      if (task.isWrong) task.isOver = true;
    }
    const keptFrom = task.isOver ? task.filled : task.saved;
    if (keptFrom === task.start) return;
    const { start, filled } = task;
    buffer.copyWithin(0, keptFrom - start, filled - start);
    task.start = keptFrom;
  };

  /** Receives file bytes of a task. */
  const receive = async (
    line: Line,
    task: Task & { request: number },
    bytes: number,
  ) => {
    const needed = Math.max(terms.bufferBytes, task.partBytes);
    if (line.buffer === undefined || line.buffer.length < needed) {
      line.buffer = new Uint8Array(needed);
    }
    const { buffer } = line;
    for (let left = bytes; left > 0;) {
      const isFull = task.filled - task.start === buffer.length;
      if (isFull || task.filled === task.bytes) save(line, task);
      // Bytes beyond the request are dropped; the main thread reports them.
      const isRequested = task.filled < task.bytes;
      const at = isRequested ? task.filled - task.start : 0;
      const room = isRequested ? task.bytes - task.filled : left;
      const most = Math.min(left, room, buffer.length - at);
      const kept = Math.min(most, line.end - line.start);
      let count: number | null = kept;
      if (kept > 0) {
        const stop = line.start + kept;
        buffer.set(line.ahead.subarray(line.start, stop), at);
        line.start = stop;
      } else {
        // Without `read`, which would make one more promise per record of 16
        // KiB.
        count = await line.conn!.read(buffer.subarray(at, at + most));
        if (count === null) return false;
        Atomics.add(line.cells, cell.received, count);
      }
      line.skipped += count;
      left -= count;
      if (isRequested) task.filled += count;
      if (performance.now() - line.reportedAt >= terms.reportMs) report(line);
    }
    save(line, task);
    const { request, right, isWrong, hasName, error } = task;
    line.parts.push(line.skipped, { request, right, isWrong, hasName, error });
    line.skipped = 0;
    return true;
  };

  /** Reads one frame; `false` at the end of the conn. */
  const next = async (line: Line) => {
    const { frameHeaderBytes, dataHeaderBytes } = terms;
    if (!await ahead(line, frameHeaderBytes)) return false;
    const view = () => new DataView(line.ahead.buffer, line.start);
    const type = view().getUint8(0);
    const length = view().getUint32(1);
    if (type !== terms.dataType || length <= 4 || length > terms.mostBytes) {
      if (!await forward(line, frameHeaderBytes + length)) return false;
      report(line);
      return true;
    }
    if (!await ahead(line, dataHeaderBytes)) return false;
    const request = view().getUint32(frameHeaderBytes);
    const task = line.tasks.get(request);
    if (!await forward(line, dataHeaderBytes)) return false;
    const bytes = length - (dataHeaderBytes - frameHeaderBytes);
    if (task === undefined) {
      const isWhole = await forward(line, bytes);
      report(line);
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
      reportedAt: 0,
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
    if (line === undefined) return; // it has ended
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
          start: 0,
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
