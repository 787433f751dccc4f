/**
 * The words for what would help after a failure. Engines give a code, because
 * only the command line knows its options and commands.
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { remedyAsTyped } from "../options/program_name.ts";
import type { RemedyCode } from "../../base/remedy_code.ts";

const REMEDY_OF: Readonly<Record<RemedyCode, string>> = {
  ["replace_or_elsewhere"]:
    "use --overwrite to replace it, or -o to save elsewhere",
  ["move_or_elsewhere"]: "move it away, or save elsewhere with -o",
  ["remove_or_elsewhere"]: "remove it, or save elsewhere with -o",
  ["elsewhere_or_replace"]:
    "save elsewhere with -o, or use --overwrite to replace it",
  ["elsewhere_or_remove"]:
    "save elsewhere with -o, or have its owner remove it",
  ["alone_elsewhere"]: "fetch it separately, and save it elsewhere with -o",
  ["make_folder_or_elsewhere"]: "create it first, or choose another with -o",
  elsewhere: "choose another with -o",
  ["other_base"]: "name an older version of the file, or omit --base",
  ["no_base"]: "omit it: --overwrite keeps the right pieces of that file",
  ["other_state"]: "choose another --state folder",
  ["other_state_or_new_identity"]:
    "choose another --state folder, or move the file away to get a new identity",
  ["own_state"]: "give each node its own --state",
  ["other_known_relays"]: "choose another file with --known-relays",
  ["private_relay_or_no_token"]:
    "run the relay with --private, or start this node without a token",
  ["give_client_token"]:
    "give a client token with --token-file FILE or RELAY_P2P_TOKEN",
  ["give_node_token"]:
    "give a node token with --token-file FILE or RELAY_P2P_TOKEN",
  ["encrypt_or_no_id"]: "omit --plaintext, or give HOST PORT",
  encrypt: "omit --plaintext on both sides",
  ["check_address_or_plaintext"]:
    "check host and port; if the relay runs with --plaintext, use that here too",
  ["check_address_or_encryption"]:
    "check host and port; if the relay runs without --plaintext, omit it here too",
  ["relay_with_tunnels"]: "start the relay without --no-tunnel",
  ["open_port"]: "open the port in firewall and router, and name it with " +
    "--advertise if it differs outside",
  ["choose_content"]:
    "choose one with --sha256 or --node, or give --prefer newest",
  ["choose_to_replace"]: "choose the content with --sha256, --node or --prefer",
  ["other_node"]: "the node reported a wrong hash; choose another with --node",
  ["list_in_parts"]:
    "use --sort none, or list one folder at a time, such as 'photos/'",
  ["ask_all"]: "check the name, or ask all nodes with --ask-all",
  ["see_files"]: "list the files with the command ls",
  ["see_nodes"]: "list the nodes with the command nodes",
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
  return words === undefined ? undefined : remedyAsTyped(words);
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
