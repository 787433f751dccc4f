/**
 * The command `cat`: one file to stdout.
 *
 * @module
 */

import { fetchFile } from "../../client/fetch.ts";
import type { TransferOptions } from "../../client/transfer_options.ts";
import type { ByteRange } from "../../content/section.ts";
import type { CommandLine } from "../options/command_line.ts";
import { badValue, given } from "../options/values.ts";
import { Input } from "../output/streams.ts";
import type { RoleContext } from "../roles/role.ts";
import { deliver } from "./delivery.ts";
import { EventPrinter } from "./event_printer.ts";

/** Runs the command; resolves to the exit code. */
export async function sendToStdout(
  name: string,
  { options, terminal, signal, line }: RoleContext & {
    readonly options: TransferOptions;
  },
): Promise<number> {
  const { onEvent } = new EventPrinter(terminal);
  const range = rangeOf(line);
  await using file = await fetchFile({
    ...options,
    name,
    ...given({ range }),
    onEvent,
  });
  await deliver(file, { terminal, input: new Input(), signal });
  return 0;
}

/** The bytes of `--range` or `--tail`. */
function rangeOf(line: CommandLine): ByteRange | undefined {
  const range = line.get("range");
  const tail = line.get("tail");
  if (tail === undefined) return range;
  if (range === undefined) return { tail };
  throw badValue("tail", String(tail), "--range already selects the bytes");
}
