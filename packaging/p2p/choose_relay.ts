/**
 * Looks for relays on the local network, and lets a person choose one.
 *
 * @module
 */

import {
  formatRelayAddress,
  type RelayAddress,
} from "../../lib/base/address.ts";
import { formatEndpoint } from "../../lib/base/conn.ts";
import { describeCause, Failure, localKindOf } from "../../lib/base/errors.ts";
import { show } from "../../lib/base/text.ts";
import type { CliEvent } from "../../lib/cli/output/cli_events.ts";
import { Input } from "../../lib/cli/output/streams.ts";
import { formatRows } from "../../lib/cli/output/tables.ts";
import type { RoleContext } from "../../lib/cli/roles/role.ts";
import { findRelays, type FoundRelay } from "../../lib/transport/announce.ts";

/**
 * The relay that the person chooses; an empty list if none. Without a terminal
 * the relays are only listed.
 *
 * @throws {Failure} of kind `relay` if no relay answers.
 */
export async function chooseRelay(
  context: RoleContext,
): Promise<readonly Required<RelayAddress>[]> {
  const { terminal, signal } = context;
  const found = await look(context);
  for (const { name, isPrivate, ...relay } of found) {
    terminal.event<CliEvent>({
      event: "relay_found",
      name,
      relay: formatRelayAddress(relay),
      isPrivate,
    });
  }
  await terminal.facts(
    formatRows(found.map((relay, index) => [
      String(index + 1),
      show(relay.name),
      formatEndpoint(relay),
      relay.id,
      relay.isPrivate ? "private" : "",
    ])),
    signal,
  );
  terminal.note(
    "not verified: compare the id with the line `relay id …` that your relay printed",
  );
  if (!terminal.isInteractive) {
    terminal.note("remember one with p2p use RELAY");
    return [];
  }
  terminal.ask("which one? (its number; Enter takes none): ");
  const answer = (await new Input().line(signal))?.trim() ?? "";
  const chosen = /^\d{1,3}$/.test(answer)
    ? found[Number(answer) - 1]
    : undefined;
  if (chosen === undefined) {
    terminal.note("none is remembered");
    return [];
  }
  const { host, port, id } = chosen;
  return [{ host, port, id }];
}

async function look({ line, signal }: RoleContext): Promise<FoundRelay[]> {
  const port = line.get("announce-port");
  let found: FoundRelay[];
  try {
    found = await findRelays({
      ...(port === undefined ? {} : { port }),
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure(localKindOf(error), {
      what: "Cannot look for relays",
      why: describeCause(error),
      remedy: "name one with p2p use RELAY",
      cause: error,
    });
  }
  if (found.length > 0) return found;
  throw new Failure("relay", {
    what: "Cannot find a relay",
    why: "none is remembered, and none announces itself on this network",
    remedy: "start one with p2p relay, or name one with p2p use RELAY",
  });
}
