/**
 * The failures that explain why a file cannot be fetched.
 *
 * @module
 */

import type { ContentGroup } from "../content/choice.ts";
import { Failure } from "../base/errors.ts";
import { counted, show } from "../base/text.ts";
import { runsOf } from "../content/piece_set.ts";
import type { FileFailure } from "../transfer/download_options.ts";
import type { NodeAnswer } from "./events.ts";

/** The file does not have the SHA-256 that a node claimed for it. */
export function notThatSha256(where: string): Failure {
  return new Failure("corrupt", {
    what: "Cannot verify file",
    where: show(where),
    why: "it does not have the SHA-256 that was asked for",
    remedyCode: "other_node",
  });
}

/** The words for a node whose file has another SHA-256 than it claimed. */
export function claimsFalsely(name: string): string {
  return `its ${show(name)} does not have the SHA-256 that it claims`;
}

/** Nodes have a file of this name, but not with the wanted SHA-256. */
export function nobodyHasThatSha256(name: string): Failure {
  return new Failure("not_found", {
    what: "Cannot find file",
    where: show(name),
    why: "no node has it with that SHA-256",
    remedyCode: "see_files",
  });
}

/** Nodes have a file of this name, but with another content. */
export function nobodyHasThatContent(name: string): Failure {
  return new Failure("not_found", {
    what: "Cannot find file",
    where: show(name),
    why: "nodes have different content under that name now",
    remedy: "ask for a new link",
  });
}

/**
 * Nodes have a file of this name, and do not say whether it is the wanted one.
 */
export function notKnownWhoHasThat(name: string, nodeCount: number): Failure {
  return new Failure("undelivered", {
    what: "Cannot find file",
    where: show(name),
    why: `${
      nodeCount === 1 ? "a node has" : `${nodeCount} nodes have`
    } that name, but could not hash the file and compare it`,
    remedy: "run again when the file is hashed and no longer changes",
  });
}

/** Nodes have different contents, and two have the same number of addresses. */
export function contentUndecided(
  name: string,
  groups: readonly ContentGroup[],
): Failure {
  const hashed = groups.every(({ content }) => content !== undefined);
  return new Failure("undelivered", {
    what: "Cannot choose content",
    where: show(name),
    why: hashed
      ? `nodes have ${groups.length} contents of it, and no content is at more ` +
        "addresses than every other"
      : "nodes have, or may have, different contents of it, and no content is " +
        "known to be at more addresses than every other",
    remedyCode: "choose_content",
  });
}

/** A file exists that a vote of nodes must not replace. */
export function notReplacedOnVote(name: string, path: string): Failure {
  return new Failure("undelivered", {
    what: "Cannot replace file",
    where: show(path),
    why: `nodes have, or may have, different contents of ${show(name)}, and ` +
      "the client replaces an existing file only with content that you choose",
    remedyCode: "choose_to_replace",
  });
}

/** A name may stand for different files. Asking again would not help. */
export class SeveralFound extends Failure {
  constructor(
    name: string,
    { count, isFolder }: { count: number; isFolder: boolean },
  ) {
    const files = count === 1
      ? "one file has a longer name that ends in it"
      : `${count} files have longer names that end in it`;
    super("not_found", {
      what: "Cannot choose file",
      where: show(name),
      why: isFolder
        ? `it is the name of a folder, and ${files}`
        : `no node has exactly that name, and ${count} different files end in it`,
      remedy: isFolder
        ? "name a file by its whole path, or the folder with a slash at its end"
        : "name one of them by its whole path",
    });
  }
}

/** The failure, with similar names. */
export function withNearest(
  failure: Failure,
  nearest: readonly string[],
): Failure {
  if (nearest.length === 0) return failure;
  const names = nearest.map(show);
  const last = names.pop()!;
  const words = names.length === 0 ? last : `${names.join(", ")} or ${last}`;
  const { remedy = "check the name", remedyCode } = failure.parts;
  const question = `did you mean ${words}?`;
  return new Failure(failure.kind, {
    ...failure.parts,
    remedy: remedyCode === undefined
      ? `${question} if not, ${remedy}`
      : question,
  });
}

/** None of the asked nodes has a file that matches. */
export function nobodyHasAny(
  pattern: string,
  { nodeCount, unaskedCount }: { nodeCount: number; unaskedCount: number },
): Failure {
  const why = nodeCount === 0 && unaskedCount > 0
    ? `the relay's index lists no matching file at ${
      counted(unaskedCount, "node")
    }`
    : unaskedCount > 0
    ? `no file matches at ${counted(nodeCount, "node")}, and the relay's ` +
      `index lists none at ${counted(unaskedCount, "other")}`
    : nodeCount === 1
    ? "the only node has no file that matches"
    : `none of ${nodeCount} nodes has a file that matches`;
  return new Failure("not_found", {
    what: "Cannot find files",
    where: show(pattern),
    why,
    remedyCode: unaskedCount > 0 ? "ask_all" : "see_files",
  });
}

/** Why a node does not deliver a file. */
export interface Cause {
  /** The display name of the node. */
  readonly node: string;
  /** The cause in words; escaped. */
  readonly cause: string;
  /** The code, if it refused. */
  readonly code?: string | undefined;
}

/** Whether a refusal means that the node may have another version. */
export function isChanged({ code }: { code?: string | undefined }): boolean {
  return code === "gone" || code === "changed";
}

/** No node described a file; holds their refusals. */
export class NotDescribed extends Error {
  override readonly name = "NotDescribed";
  /** Whether a node may have another version of the file. */
  readonly isChanged: boolean;

  constructor(causes: readonly Cause[]) {
    super("no node described it");
    this.isChanged = causes.some(isChanged);
  }
}

// Further causes are left out.
const MOST_CAUSES = 3;

function causesInWords(causes: readonly Cause[]): string {
  const shown = causes.slice(0, MOST_CAUSES).map(({ node, cause }) =>
    `${show(node)}: ${cause}`
  );
  const more = causes.length - MOST_CAUSES;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** No node gives the piece hashes of a file. */
export function notDescribed(name: string, causes: readonly Cause[]): Failure {
  return new Failure("undelivered", {
    what: "Cannot fetch file",
    where: show(name),
    why: "no node could describe it" +
      (causes.length === 0 ? "" : ` (${causesInWords(causes)})`),
    remedy: remedyFor(causes),
    cause: new NotDescribed(causes),
  });
}

function remedyFor(causes: readonly Cause[]): string {
  return causes.length > 0 && causes.every(({ code }) => code === "unreadable")
    ? "check that the node may read it, and that its disk works"
    : "run again to resume";
}

/** A file changes again and again during the fetch. */
export function isBeingWritten(name: string): Failure {
  return new Failure("undelivered", {
    what: "Cannot fetch file",
    where: show(name),
    why: "it is being written to: it changed during each attempt",
    remedy: "run again when it no longer changes, or fetch a copy of it",
  });
}

/** There is no longer a file under this name. */
export function wasRemoved(name: string): Failure {
  return new Failure("undelivered", {
    what: "Cannot fetch file",
    where: show(name),
    why: "it was removed, or renamed, while it was being fetched",
    remedyCode: "see_files",
  });
}

// Missing pieces are shown as runs, and at most this many.
const MOST_RUNS = 5;

/** Pieces that nobody has, counted from 1. */
function nowhereInWords(pieces: readonly number[]): string {
  const runs = runsOf(pieces).map(({ first, count }) =>
    count === 1 ? `${first + 1}` : `${first + 1}-${first + count}`
  );
  const more = runs.length > MOST_RUNS ? ", …" : "";
  const shown = runs.slice(0, MOST_RUNS).join(", ") + more;
  return `; no node or client has ${counted(pieces.length, "piece")}: ${shown}`;
}

/** The download has given up a file, after a `part` of it from 0 to 1. */
export function givenUp(
  name: string,
  { failure, part, causes = [], nowhere = [] }: {
    failure: FileFailure;
    part: number;
    causes?: readonly Cause[];
    /** Pieces that neither a node nor a client has, in a swarm. */
    nowhere?: readonly number[];
  },
): Failure {
  const where = show(name);
  const shown = causes.length === 0 ? "" : ` (${causesInWords(causes)})`;
  const missing = nowhere.length === 0 ? "" : nowhereInWords(nowhere);
  return failure === "corrupt"
    ? new Failure("corrupt", {
      what: "Cannot verify file",
      where,
      why: "the data failed verification, and no other node has the file" +
        shown,
      remedy: "check the nodes that sent it",
    })
    : new Failure("undelivered", {
      what: "Cannot fetch file",
      where,
      why: `every node that has it failed, at ${
        Math.floor(100 * part)
      } %${missing}${shown}`,
      remedy: remedyFor(causes),
    });
}

/** Why a file cannot be fetched, from the answers of the nodes. */
export function exhausted(
  name: string,
  answers: ReadonlyMap<string, NodeAnswer>,
  found: ReadonlySet<string>,
  unaskedCount = 0,
): Failure {
  const where = show(name);
  const asked = answers.size;
  if (asked === 0) return noNodeQueried(where, unaskedCount);
  const ofKind = <Kind extends NodeAnswer["kind"]>(kind: Kind) =>
    [...answers.values()].filter((answer): answer is
      & NodeAnswer
      & { kind: Kind } => answer.kind === kind
    );
  const corrupt = ofKind("corrupt").length;
  if (corrupt > 0) {
    return new Failure("corrupt", {
      what: "Cannot verify file",
      where,
      why: `${corrupt} of ${
        counted(asked, "node")
      } sent data that failed verification`,
      remedy: "check the nodes that sent it",
    });
  }
  if (found.size > 0) {
    return new Failure("undelivered", {
      what: "Cannot fetch file",
      where,
      why: (asked === 1
        ? "the only node has it, and could not deliver it"
        : `${found.size} of ${asked} nodes ${
          found.size === 1 ? "has" : "have"
        } it, none could deliver it`) +
        firstCauseIn(answers),
      remedy: "run again to resume",
    });
  }
  const denied = ofKind("denied");
  if (denied.length > 0) return denial(name, denied);
  const silent = asked - ofKind("not_found").length;
  return new Failure("not_found", {
    what: "Cannot find file",
    where,
    why: noneOf(asked, silent) + others(unaskedCount),
    ...silent > 0
      ? { remedy: "check that the nodes are running" }
      : unaskedCount > 0
      ? { remedyCode: "ask_all" }
      : { remedy: "check the name" },
  });
}

/** Why a file cannot be found if no node was asked. */
function noNodeQueried(where: string, unaskedCount: number): Failure {
  return new Failure("not_found", {
    what: "Cannot find file",
    where,
    ...unaskedCount > 0
      ? {
        why: `the relay's index lists it at none of ${
          counted(unaskedCount, "node")
        }`,
        remedyCode: "ask_all",
      }
      : { why: "no peer node is active", remedyCode: "start_node" },
  });
}

/** Adds that further nodes were not asked, and why. */
function others(unaskedCount: number): string {
  return unaskedCount === 0
    ? ""
    : `, and the relay's index lists it at none of ${
      counted(unaskedCount, "other")
    }`;
}

/** Says that no node has a file, and how many could not be asked. */
function noneOf(asked: number, silent: number): string {
  if (asked === 1) {
    return `the only node ${
      silent === 1 ? "could not be asked" : "does not have it"
    }`;
  }
  if (silent === asked) return `none of ${asked} nodes could be asked`;
  return `none of ${asked} nodes has it` +
    (silent === 0 ? "" : `, ${silent} of them could not be asked`);
}

/** The first failed node and its cause. */
function firstCauseIn(answers: ReadonlyMap<string, NodeAnswer>): string {
  for (const answer of answers.values()) {
    if (answer.kind === "failed") return ` (${answer.cause})`;
  }
  return "";
}

type Denial = NodeAnswer & { kind: "denied" };

/** Explains why nodes that may have a file do not deliver it. */
function denial(name: string, denied: readonly Denial[]): Failure {
  const [first] = denied.filter(({ code }) => code !== "other_content");
  if (first === undefined) return nobodyHasThatContent(name);
  const { code, cause } = first;
  return new Failure("not_allowed", {
    what: "Cannot fetch file",
    where: show(name),
    why:
      `${denied.length} of the nodes refuse to send it to this client, ${cause}`,
    remedy: DENIAL_REMEDY[code] ?? "ask the person who runs the relay",
  });
}

/** What to do about a node's refusal, by its code. */
export const DENIAL_REMEDY: Readonly<Record<string, string>> = {
  expired:
    "run again; if that does not help, check the clocks of node and relay",
  ["used_up"]: "ask for another link",
  ["too_many_failures"]: "wait a minute",
};

/** A file is shorter than the wanted range. */
export function hasNotThatRange(name: string, size: number): Failure {
  return new Failure("usage", {
    what: "Cannot fetch that range",
    where: show(name),
    why: `the file has ${counted(size, "byte")}`,
  });
}

/** A file is fetched by sums, and the list has no sum of it. */
export function hasNoSum(name: string): Failure {
  return new Failure("corrupt", {
    what: "Cannot verify file",
    where: show(name),
    why: "no SHA-256 of it was given",
  });
}

/** The failure of a file that nodes have, and not with its SHA-256. */
export function asMismatch(failure: Failure): Failure {
  if (failure.kind !== "not_found") return failure;
  return new Failure("corrupt", { ...failure.parts, cause: failure });
}
