/**
 * All floods, one row each. A new one is a module beside these and a line here.
 */

import { AT_CLIENT } from "./at_client.ts";
import { AT_METRICS } from "./at_metrics.ts";
import { AT_NODE } from "./at_node.ts";
import { OF_LISTINGS } from "./at_listing.ts";
import { OF_HANDSHAKES } from "./at_handshake.ts";
import { AT_RELAY } from "./at_relay.ts";
import type { Flood } from "./_flood.ts";

export const FLOODS: readonly Flood[] = [
  ...AT_RELAY,
  ...OF_HANDSHAKES,
  ...OF_LISTINGS,
  ...AT_NODE,
  ...AT_METRICS,
  ...AT_CLIENT,
];
