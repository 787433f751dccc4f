import type { ChannelOptions } from "../../lib/protocol/channel.ts";
import { LIMITS } from "../../lib/base/limits.ts";
import type { Message } from "../../lib/protocol/messages.ts";

export const OPTIONS: ChannelOptions = {
  limits: LIMITS,
  acceptsData: true,
  writeStallMs: 10_000,
  idleMs: 10_000,
};

export function find(request: number): Message {
  return { kind: "find", request, name: "a".repeat(request % 50) };
}
