/**
 * A client's question to the index of names. Its answer stays until its last
 * page: it is worked out, and charged, once.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import { decodeFingerprints } from "../content/fingerprints.ts";
import type { Channel } from "../protocol/channel.ts";
import type { MessageOf } from "../protocol/messages.ts";
import type { RelayContext } from "./context.ts";

/** The question that one client asks. */
export class Question {
  readonly #channel: Channel;
  readonly #relay: RelayContext;
  #text = "";
  #ids: readonly string[] | undefined;

  constructor(channel: Channel, relay: RelayContext) {
    this.#channel = channel;
    this.#relay = relay;
  }

  /**
   * Sorted ids of the nodes that may have what the client asks for;
   * `undefined` if they are too many. Waits for a turn if they are many.
   */
  async ids(
    { fingerprints: text = "", cursor }: MessageOf<"list">,
  ): Promise<readonly string[] | undefined> {
    const isNext = cursor !== undefined && text === this.#text;
    if (isNext && this.#ids !== undefined) return this.#ids;
    const fingerprints = decodeFingerprints(text);
    if (fingerprints === undefined) {
      throw new ProtocolError(
        "bad_message",
        "Cannot list nodes: fingerprints must rise",
      );
    }
    const { names, turns, limits } = this.#relay;
    const answer = names?.mayHave(fingerprints);
    if (answer === undefined) return undefined;
    this.#text = text;
    this.#ids = answer.ids;
    const requestCount = Math.floor(
      answer.workCount / limits.indexPerRequestCount,
    );
    await turns.next(this.#channel.conn.remote, requestCount);
    return answer.ids;
  }

  /** Forgets the answer: its last page is sent. */
  end(): void {
    this.#text = "";
    this.#ids = undefined;
  }
}
