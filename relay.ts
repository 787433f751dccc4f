/**
 * The relay. `deno run --allow-net relay.ts [options] PORT`; see `--help`.
 *
 * @module
 */

import { main } from "./lib/cli/roles/relay.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
