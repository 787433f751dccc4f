/**
 * The refusal of a peer that has no room for one more connection. It comes
 * after hello, in place of the answer to any request.
 *
 * @module
 */

import {
  NO_ROOM_TEXTS,
  type NoRoomCode,
  ProtocolError,
} from "../base/errors.ts";
import type { MessageOf } from "./messages.ts";

/**
 * Checks that a message is not this refusal.
 *
 * @throws {ProtocolError} with its code, if it is.
 */
export function requireRoom(message: { kind: string } | Refused): void {
  if (message.kind !== "refused" || !("code" in message)) return;
  const { code, request } = message;
  if (request !== undefined || !isNoRoomCode(code)) return;
  throw new ProtocolError(code, NO_ROOM_TEXTS[code]);
}

type Refused = MessageOf<"refused">;

function isNoRoomCode(code: string): code is NoRoomCode {
  return Object.hasOwn(NO_ROOM_TEXTS, code);
}
