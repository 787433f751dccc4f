/**
 * A peer node.
 * `deno run --allow-net --allow-read=DIR peer_node.ts [options] RELAY PORT [DIR]`;
 * see `--help`.
 *
 * @module
 */

import { main } from "./lib/cli/roles/node.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
