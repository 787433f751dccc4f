/**
 * Explains why a name was not found if it is a folder or a pattern.
 *
 * @module
 */

import { Failure, isBug } from "../base/errors.ts";
import { isGlob } from "../content/glob.ts";
import { inQuotes, show } from "../base/text.ts";
import type { NodeAnswer } from "./events.ts";
import type { ListedNode } from "./nodes.ts";
import type { Peers } from "./peers.ts";

/** A name that was not found, with the answers. */
export interface Unfound {
  readonly peers: Peers;
  /** The nodes that were asked. */
  readonly nodes: readonly ListedNode[];
  readonly name: string;
  readonly signal: AbortSignal;
}

/** Improves a failure: asks nodes once more for files below the name. */
export async function explained(
  failure: Failure,
  unfound: Unfound,
): Promise<Failure> {
  if (failure.kind !== "not_found") return failure;
  const { name } = unfound;
  if (isGlob(name)) return isPattern(name);
  return await isFolder(unfound) ? isOnlyFolder(name) : failure;
}

/** The failure for a pattern if one name is needed. */
export function isPattern(name: string): Failure {
  const where = show(name);
  return new Failure("not_found", {
    what: "Cannot find file",
    where,
    why:
      "no node has a file with exactly that name, and this command takes one file",
    remedy: `list the matches with ls ${argument(name)}, and take one of them`,
  });
}

/** The failure for a folder if the name of one file is needed. */
export function isOnlyFolder(name: string): Failure {
  const where = show(name);
  const folder = argument(`${name}/`);
  return new Failure("not_found", {
    what: "Cannot find file",
    where,
    why: "it is a folder",
    remedy: `get ${folder} fetches what is in it, and ls ${folder} lists it`,
  });
}

/** A name as the last argument, for a shell. */
function argument(name: string): string {
  return `${name.startsWith("-") ? "-- " : ""}${inQuotes(name)}`;
}

/** The nodes that answered that they do not have a name. */
export function lacking(
  nodes: readonly ListedNode[],
  answers: ReadonlyMap<string, NodeAnswer>,
): readonly ListedNode[] {
  return nodes.filter(({ id }) => answers.get(id)?.kind === "not_found");
}

/** Whether a node lists a file below a name. */
export async function isFolder(
  { peers, nodes, name, signal }: Unfound,
): Promise<boolean> {
  const found = new AbortController();
  const { limits: { queryGraceMs, listingMs } } = peers;
  const late = AbortSignal.timeout(Math.max(queryGraceMs, listingMs / 5));
  const either = AbortSignal.any([signal, found.signal, late]);
  await peers.turns.each(nodes, async (node) => {
    if (either.aborted) return;
    try {
      const { session } = await peers.open(node, { signal: either });
      await using _session = session;
      const stop = () => session.abort(either.reason);
      either.addEventListener("abort", stop);
      for await (const files of session.browse(`${name}/`)) {
        if (files.some((file) => file.name.startsWith(`${name}/`))) {
          found.abort(new Error("found"));
        }
        break;
      }
    } catch (error) {
      // This only improves the message.
      if (isBug(error)) throw error;
    }
  });
  signal.throwIfAborted();
  return found.signal.aborted;
}
