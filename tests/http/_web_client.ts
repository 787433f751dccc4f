/**
 * A client of HTTP that sends and shows bytes as they are.
 */

import { connect } from "node:net";
import type { Endpoint } from "../../lib/base/conn.ts";
import { within } from "../_event_log.ts";

/** An answer, as it arrived. */
export interface RawAnswer {
  readonly status: number;
  /** Fields by their names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The body as UTF-8. */
  readonly text: string;
}

/** One connection; several requests one after the other. */
export class WebClient implements Disposable {
  readonly conn: Deno.Conn;
  #bytes = new Uint8Array();

  constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  static async to({ host, port }: Endpoint): Promise<WebClient> {
    return new WebClient(await Deno.connect({ hostname: host, port }));
  }

  async send(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) {
      at += await this.conn.write(bytes.subarray(at));
    }
  }

  /** A request with fields, and its answer. */
  async ask(
    line: string,
    fields: Readonly<Record<string, string>> = {},
    body = "",
  ): Promise<RawAnswer> {
    const lines = Object.entries({ Host: "localhost", ...fields })
      .map(([name, value]) => `${name}: ${value}\r\n`);
    await this.send(`${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
    return await this.answer({ isHead: line.startsWith("HEAD ") });
  }

  /** The next answer. */
  async answer({ isHead = false } = {}): Promise<RawAnswer> {
    const head = await this.#head();
    const [line = "", ...rest] = head.split("\r\n");
    const fields = new Map(
      rest.map((field) => {
        const at = field.indexOf(":");
        return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()];
      }),
    );
    const status = Number(line.split(" ")[1]);
    const body = isHead || status === 304 || status === 204
      ? new Uint8Array()
      : await this.#body(fields);
    return { status, fields, body, text: new TextDecoder().decode(body) };
  }

  async #head(): Promise<string> {
    for (;;) {
      const text = new TextDecoder("latin1").decode(this.#bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#bytes = this.#bytes.subarray(end + 4);
        return text.slice(0, end);
      }
      if (!await this.#more()) throw new Error(`no head in ${text}`);
    }
  }

  async #body(
    fields: ReadonlyMap<string, string>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (fields.get("transfer-encoding") === "chunked") {
      return await this.#chunks();
    }
    return await this.take(Number(fields.get("content-length")));
  }

  async #chunks(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const size = parseInt(await this.#line(), 16);
      parts.push(await this.take(size));
      await this.#line();
      if (size === 0) break;
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }

  async #line(): Promise<string> {
    for (;;) {
      const at = this.#bytes.indexOf(10);
      if (at >= 0) {
        const line = new TextDecoder().decode(this.#bytes.subarray(0, at));
        this.#bytes = this.#bytes.subarray(at + 1);
        return line.trim();
      }
      if (!await this.#more()) throw new Error("no line");
    }
  }

  /** The next bytes; fewer if the connection ends before. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const taken = new Uint8Array(count);
    let at = 0;
    for (;;) {
      const part = this.#bytes.subarray(0, count - at);
      taken.set(part, at);
      at += part.length;
      this.#bytes = this.#bytes.subarray(part.length);
      if (at === count || !await this.#more()) return taken.subarray(0, at);
    }
  }

  /** All until the server ends the connection. */
  async rest(): Promise<string> {
    while (await this.#more());
    return new TextDecoder().decode(this.#bytes);
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(256 * 1024);
    const count = await within(
      this.conn.read(buffer).catch(() => null), // reset: ended, too
      "an answer",
    );
    if (count === null) return false;
    const joined = new Uint8Array(this.#bytes.length + count);
    joined.set(this.#bytes);
    joined.set(buffer.subarray(0, count), this.#bytes.length);
    this.#bytes = joined;
    return true;
  }

  [Symbol.dispose](): void {
    this.conn.close();
  }
}

/**
 * The status of an answer to a request from `localAddress`; 0 if the server ends
 * the connection before.
 */
export function statusFrom(
  localAddress: string,
  { host, port }: Endpoint,
  lines: string,
): Promise<number> {
  const socket = connect({ host, port, localAddress });
  const { promise, resolve } = Promise.withResolvers<number>();
  let text = "";
  socket.setEncoding("latin1");
  socket.on("connect", () => socket.write(`${lines}\r\n\r\n`));
  socket.on("data", (part) => {
    text += part;
    const [, status] = /^HTTP\/1\.1 (\d{3}) [^]*\r\n\r\n/.exec(text) ?? [];
    if (status !== undefined) resolve(Number(status));
  });
  socket.on("error", () => resolve(0));
  socket.on("close", () => resolve(0));
  return promise.finally(() => socket.destroy());
}
