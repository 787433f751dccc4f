/**
 * The programs that open an address in the user's browser. This file is
 * separate from the code that runs them, because `p2p` needs it before each
 * command, to ask for the permission.
 *
 * @module
 */

/**
 * Full paths: a permission for a name would allow any program found by PATH.
 */
export const OPENERS: readonly string[] = Deno.build.os === "darwin"
  ? ["/usr/bin/open"]
  : ["/usr/bin/xdg-open", "/usr/local/bin/xdg-open"];
