/**
 * The words for what would help after a failure. Engines give a code, because
 * only the command line knows its options and commands.
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { spokenRemedy } from "../options/spoken.ts";
import type { RemedyCode } from "../../base/remedy_code.ts";

const REMEDY_OF: Readonly<Record<RemedyCode, string>> = {
  ["replace_or_elsewhere"]:
    "give --overwrite to replace it, or -o for another place",
  ["move_or_elsewhere"]: "move it away, or give -o for another place",
  ["remove_or_elsewhere"]: "remove it, or save elsewhere with -o",
  ["alone_elsewhere"]: "fetch it alone, with -o for another place",
  ["make_folder_or_elsewhere"]: "create it first, or choose another with -o",
  elsewhere: "name another with -o",
  ["other_base"]: "name an older version of the file, or leave --base out",
  ["no_base"]: "leave it out: --overwrite keeps what is right in that file",
  ["other_state"]: "name another --state folder",
  ["other_state_or_new_identity"]:
    "name another --state folder, or move the file away to get a new identity",
  ["own_state"]: "give each node its own --state",
  ["other_known_relays"]: "name another file with --known-relays",
  ["private_relay_or_no_token"]:
    "run the relay with --private, or start this node without a token",
  ["give_client_token"]:
    "give a client token with --token-file FILE or RELAY_P2P_TOKEN",
  ["give_node_token"]:
    "give a node token with --token-file FILE or RELAY_P2P_TOKEN",
  ["encrypt_or_no_id"]: "omit --plaintext, or give HOST PORT",
  encrypt: "leave --plaintext away, on both sides",
  ["check_address_or_plaintext"]:
    "check host and port; if the relay runs with --plaintext, use that here too",
  ["check_address_or_encryption"]:
    "check host and port; if the relay runs without --plaintext, omit it here too",
  ["relay_with_tunnels"]: "start the relay without --no-tunnel",
  ["open_port"]: "open the port in firewall and router, and name it with " +
    "--advertise where it is another there",
  ["choose_content"]:
    "choose one with --sha256 or --node, or give --prefer newest",
  ["choose_to_replace"]: "choose the content with --sha256, --node or --prefer",
  ["other_node"]: "the node reported a wrong hash; choose another with --node",
  ["list_in_parts"]:
    "give --sort none, or ask for one folder at a time, as 'photos/'",
  ["ask_all"]: "check the name, or ask all nodes with --ask-all",
  ["see_files"]: "see the command ls",
  ["see_nodes"]: "see the command nodes",
  ["start_node"]: "start one with peer_node.ts",
};

/** The remedy in words, if there is one. */
export function remedyIn(
  { remedy, remedyCode }: {
    readonly remedy?: string;
    readonly remedyCode?: RemedyCode;
  },
): string | undefined {
  const ofCode = remedyCode === undefined ? undefined : REMEDY_OF[remedyCode];
  const words = remedy !== undefined && ofCode !== undefined
    ? `${remedy} if not, ${ofCode}`
    : ofCode ?? remedy;
  return words === undefined ? undefined : spokenRemedy(words);
}

/** A failure with its remedy in words. */
export function worded(failure: Failure): Failure {
  const { remedyCode: _, ...parts } = failure.parts;
  const remedy = remedyIn(failure.parts);
  if (remedy === parts.remedy || remedy === undefined) return failure;
  const { kind, cause } = failure;
  return new Failure(kind, { ...parts, remedy, cause });
}

/** The fields of a failure for JSON. */
export function wordedParts(failure: Failure): Record<string, string> {
  return { kind: failure.kind, ...worded(failure).parts };
}
