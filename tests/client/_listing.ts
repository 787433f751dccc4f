import {
  type FileListing,
  listFiles,
  type ListFilesOptions,
} from "../../lib/client/listing.ts";
import type { Identity } from "../../lib/identity/identity.ts";
import { IDENTITIES, type TestRelay } from "../_network.ts";
import { ClientLog, pinned } from "./_outcomes.ts";

export const [, mallory, trudy] = IDENTITIES as [Identity, Identity, Identity];

/** Lists files, and collects the events. */
export async function list(
  relay: TestRelay,
  options: Partial<ListFilesOptions> = {},
): Promise<{ files: FileListing[]; log: ClientLog }> {
  const log = new ClientLog();
  const files = await listFiles({
    relay: pinned(relay),
    onEvent: log.onEvent,
    ...options,
  });
  return { files, log };
}

/** Name, size, number of nodes, and whether they differ. */
export function rows(files: readonly FileListing[]): string[] {
  return files.map(({ name, size, nodeCount, differs }) =>
    `${name} ${size} ${nodeCount}${differs ? " differs" : ""}`
  );
}
