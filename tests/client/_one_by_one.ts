import type { TestRelay } from "../_network.ts";
import {
  fetch as fetchAny,
  type FetchOutcome,
  type FetchTestOptions,
} from "./_outcomes.ts";

export function fetch(
  relay: TestRelay,
  name: string,
  options: FetchTestOptions = {},
): Promise<FetchOutcome> {
  return fetchAny(relay, name, { oneByOne: true, ...options });
}
