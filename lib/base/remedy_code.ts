/**
 * Codes for remedies after a failure. Their texts depend on how the program is
 * used: the command line names options, a library has none.
 *
 * @module
 */

/** Stable codes of remedies, safe to match on. */
export type RemedyCode =
  /** Allow replacing the existing file, or save elsewhere. */
  | "replace_or_elsewhere"
  /** Move the existing file or folder to another place, or save elsewhere. */
  | "move_or_elsewhere"
  /** Remove the file that an earlier run left, or save elsewhere. */
  | "remove_or_elsewhere"
  /** Save elsewhere, or allow replacing another user's file. */
  | "elsewhere_or_replace"
  /** Save elsewhere, or have another user remove a file. */
  | "elsewhere_or_remove"
  /** Save this file in a separate run, elsewhere. */
  | "alone_elsewhere"
  /** Make the folder, or save elsewhere. */
  | "make_folder_or_elsewhere"
  /** Save elsewhere. */
  | "elsewhere"
  /** Name an older version of the file, or none. */
  | "other_base"
  /** Name no older version: replacing uses the existing file. */
  | "no_base"
  /** Use another folder for state. */
  | "other_state"
  /** The same, or move the identity away for a new one. */
  | "other_state_or_new_identity"
  /** Use a folder for state that no other node uses. */
  | "own_state"
  /** Use another file for known relays. */
  | "other_known_relays"
  /** Run a private relay, or the node without a token. */
  | "private_relay_or_no_token"
  | "give_client_token"
  | "give_node_token"
  /** Use encryption, or an address without an id. */
  | "encrypt_or_no_id"
  /** Use encryption on both sides. */
  | "encrypt"
  /** Check the address, and whether the relay works without encryption. */
  | "check_address_or_plaintext"
  /** Check the address, and whether the relay works with encryption. */
  | "check_address_or_encryption"
  /** Let the relay carry tunnels. */
  | "relay_with_tunnels"
  /** Open the port, and announce the address if it is another outside. */
  | "open_port"
  /** Choose one of the contents. */
  | "choose_content"
  /** Choose the content that may replace the file. */
  | "choose_to_replace"
  /** Leave out the node that claimed a wrong hash. */
  | "other_node"
  /** List one folder at a time, or one node. */
  | "list_in_parts"
  /** Look at the list of files. */
  | "see_files"
  /** Also ask the nodes that do not have it according to the relay's index. */
  | "ask_all"
  /** Look at the list of nodes. */
  | "see_nodes"
  /** Start a node. */
  | "start_node";
