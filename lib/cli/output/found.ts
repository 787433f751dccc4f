/**
 * Describes the files that a name stands for if no node has exactly that name.
 *
 * @module
 */

import type { ClientEvent } from "../../client/events.ts";
import { counted, show, showWhole } from "../../base/text.ts";
import { formatBytes } from "../../base/units.ts";
import { asArgument, nodesInWords, writtenAt } from "./choices.ts";

/** The one that was taken. */
export function foundInWords(
  { found, paths }: ClientEvent & { event: "found_as" },
): string {
  const others = paths === 1
    ? ""
    : `; ${counted(paths - 1, "other name")} for the same content`;
  return `taking ${showWhole(found.name)}, ${formatBytes(found.size)}${others}`;
}

/** The lines for different ones; `nodeName` gives a node's display name. */
export function severalInWords(
  { name, files, count, isFolder }: ClientEvent & { event: "found_several" },
  nodeName: (id: string) => string,
): string[] {
  const more = count - files.length;
  const others = count === 1 ? "1 other file" : `${count} other files`;
  const intro = isFolder
    ? [
      `${show(name)} may mean a folder or ${others}:`,
      `  ${asArgument(`${name}/`)}  the folder`,
    ]
    : [
      `no node has ${
        show(name)
      } itself, and ${count} different files end in it:`,
    ];
  return [
    ...intro,
    ...files.map((file) =>
      `  ${asArgument(file.name)}  ${counted(file.size, "byte")}, ` +
      `${writtenAt(file)}, on ${nodesInWords(file.nodes, nodeName)}`
    ),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}
