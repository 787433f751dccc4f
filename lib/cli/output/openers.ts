/**
 * The programs that open an address in the user's browser. Apart from what runs
 * them: `p2p` asks for the permission before each command.
 *
 * @module
 */

/** By path: a permission for a name would be one for whatever PATH leads to. */
export const OPENERS: readonly string[] = Deno.build.os === "darwin"
  ? ["/usr/bin/open"]
  : ["/usr/bin/xdg-open", "/usr/local/bin/xdg-open"];
