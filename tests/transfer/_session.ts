import type { Channel } from "../../lib/protocol/channel.ts";
import type { MessageOf, NodeToClient } from "../../lib/protocol/messages.ts";
import type { PieceReceiver } from "../../lib/transfer/answers.ts";

export const VERSION = "v".repeat(32);

/** Keeps what it is given. */
export class Keeper implements PieceReceiver {
  readonly runs: string[] = [];
  #bytes = new Uint8Array();
  #target = new Uint8Array();

  target(length: number): Promise<Uint8Array> {
    this.#target = new Uint8Array(length);
    return Promise.resolve(this.#target);
  }

  filled(length: number): void {
    const bytes = this.#target.subarray(0, length);
    this.#bytes = new Uint8Array([...this.#bytes, ...bytes]);
  }

  pieces(hashes: Uint8Array): void {
    const text = new TextDecoder().decode(this.#bytes);
    this.runs.push(`${text} ${hashes[0]!.toString(16)} x${hashes.length / 32}`);
    this.#bytes = new Uint8Array();
  }
}

/** Ends so many pieces. */
export function piecesOf(request: number, count = 1): MessageOf<"pieces"> {
  return {
    kind: "pieces",
    request,
    hashes: new Uint8Array(32 * count).fill(0xab),
  };
}

export function found(request: number, size = 3): MessageOf<"found"> {
  return { kind: "found", request, size, modifiedMs: 0, version: VERSION };
}

export function refused(request?: number): MessageOf<"refused"> {
  const to = request === undefined ? {} : { request };
  return { kind: "refused", code: "gone", text: "the file is gone", ...to };
}

export type Answer = (node: Channel, request: number) => Promise<void>;

export const reply = (message: NodeToClient): Answer => (node) =>
  node.send(message);
