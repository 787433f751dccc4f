/**
 * A client's request to the index of names. Its answer is stored until the
 * last page is sent, so it is computed and charged only once.
 *
 * @module
 */

import { ProtocolError } from "../base/errors.ts";
import { decodeFingerprints } from "../content/fingerprints.ts";
import type { MessageOf } from "../protocol/messages.ts";
import type { RelayContext } from "./context.ts";
import type { MayHave } from "./indexed_nodes.ts";

/** A request as text: the same for all clients that send it. */
export function requestKeyOf(
  { fingerprints = "", key = "" }: MessageOf<"list">,
): string {
  return `${key} ${fingerprints}`;
}

/** The request that one client sends. */
export class ListRequest {
  readonly #relay: Pick<RelayContext, "names">;
  #text = "";
  #ids: readonly string[] | undefined;

  constructor(relay: Pick<RelayContext, "names">) {
    this.#relay = relay;
  }

  /**
   * The nodes that may have the wanted names, and the work of finding them;
   * `ids` is `undefined` if there are too many.
   */
  answer(message: MessageOf<"list">): MayHave {
    const { fingerprints: asked = "", cursor, key } = message;
    const text = requestKeyOf(message);
    const isNext = cursor !== undefined && text === this.#text;
    if (isNext && this.#ids !== undefined) {
      return { ids: this.#ids, workCount: 0 };
    }
    const fingerprints = decodeFingerprints(asked);
    if (fingerprints === undefined) {
      throw new ProtocolError(
        "bad_message",
        "Cannot list nodes: fingerprints must be in ascending order",
      );
    }
    const answer = this.#relay.names?.mayHave(fingerprints, key);
    if (answer === undefined) return { ids: undefined, workCount: 0 };
    this.#text = text;
    this.#ids = answer.ids;
    return answer;
  }

  /** Forgets the answer: its last page is sent. */
  end(): void {
    this.#text = "";
    this.#ids = undefined;
  }
}
