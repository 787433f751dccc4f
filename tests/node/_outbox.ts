import { LIMITS } from "../../lib/base/limits.ts";
import { BufferPool } from "../../lib/node/outbox.ts";

export const KIB = 1024;

export function newPool(): BufferPool {
  return new BufferPool(LIMITS.sendBufferBytes);
}
