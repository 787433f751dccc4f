/**
 * The peer client.
 * `deno run --allow-net peer_client.ts [options] RELAY [command]`; see `--help`.
 *
 * @module
 */

import { main } from "./lib/cli/commands/client.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
