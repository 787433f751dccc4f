/**
 * Reads the settings of a running node again on SIGHUP: its rate, and what it
 * leaves out. Invalid values change nothing. A closing terminal sends the same
 * signal; then the node stops.
 *
 * @module
 */

import { onDispose } from "../../base/collections.ts";
import type { Failure } from "../../base/errors.ts";
import { counted, show } from "../../base/text.ts";
import type { NodeServer, NodeSettings } from "../../node/server.ts";
import type { CommandLine } from "../options/command_line.ts";
import { NODE as SPEC } from "../options/command_table.ts";
import { given } from "../options/values.ts";
import type { CliEvent } from "../output/cli_events.ts";
import { worded } from "../output/remedies.ts";
import type { RoleContext } from "./role.ts";
import { rereading } from "./one_at_a_time.ts";

/** The options that a running node can change. */
const CHANGEABLE: readonly string[] = ["limit-rate", "exclude", "hidden"];

/** The settings that a running node can change. */
export function nodeSettings(line: CommandLine): NodeSettings {
  return {
    hidden: line.isOn("hidden"),
    ...given({
      exclude: line.get("exclude"),
      limitRate: line.get("limit-rate"),
    }),
  };
}

/** Reads the settings of `node` again on each SIGHUP, until disposed of. */
export function rereadOnHangup(
  node: Pick<NodeServer, "change" | "fileCount">,
  context: RoleContext,
): Disposable {
  if (Deno.build.os === "windows") return onDispose(() => {});
  const hadTerminal = isAtTerminal();
  const reloads = new Reloads(node, context);
  const reload = rereading(
    () => reloads.reload(),
    (failure) => reloads.failed(failure),
  );
  const onHangup = () => {
    if (hadTerminal && !isAtTerminal()) context.stop();
    else void reload();
  };
  Deno.addSignalListener("SIGHUP", onHangup);
  return onDispose(() => Deno.removeSignalListener("SIGHUP", onHangup));
}

function isAtTerminal(): boolean {
  return Deno.stdin.isTerminal() || Deno.stderr.isTerminal();
}

/** Changes a node. */
class Reloads {
  readonly #node: Pick<NodeServer, "change" | "fileCount">;
  readonly #context: RoleContext;
  /** The current settings, and those that need a restart. */
  #line: CommandLine;

  constructor(
    node: Pick<NodeServer, "change" | "fileCount">,
    context: RoleContext,
  ) {
    this.#node = node;
    this.#context = context;
    this.#line = context.line;
  }

  /** Reads the settings again. */
  async reload(): Promise<void> {
    const { terminal, reread } = this.#context;
    const before = this.#node.fileCount;
    const line = await reread();
    const changes = changesOf(this.#line, line);
    await this.#node.change(nodeSettings(line));
    this.#line = line;
    const { fileCount: files } = this.#node;
    terminal.event(
      {
        event: "reloaded",
        changed: namesOf(changes, true),
        waiting: namesOf(changes, false),
        files,
      } satisfies CliEvent,
    );
    terminal.note(formatReload(changes, { files, before }));
  }

  /** Reports that the new settings cannot be used. */
  failed(error: Failure): void {
    const { terminal } = this.#context;
    terminal.event({ event: "reload_failed", error } satisfies CliEvent);
    terminal.note(`${worded(error).message}; the settings stay as they were`);
  }
}

/** An option with another value. */
export interface OptionChange {
  readonly name: string;
  readonly value: string;
  readonly before: string;
}

function changesOf(before: CommandLine, after: CommandLine): OptionChange[] {
  return Object.keys(SPEC.options).flatMap((name) => {
    const change = {
      name,
      value: valueIn(after, name),
      before: valueIn(before, name),
    };
    return change.value === change.before ? [] : [change];
  });
}

/** The value of an option, as typed on a command line. */
function valueIn(line: CommandLine, name: string): string {
  const isSwitch = SPEC.options[name]!.value === undefined;
  if (isSwitch) return line.isOn(name) ? "on" : "off";
  return show((line.value(name) ?? "none").replaceAll("\n", ", "));
}

function namesOf(
  changes: readonly OptionChange[],
  isChangeable: boolean,
): string[] {
  return changes.map(({ name }) => name)
    .filter((name) => CHANGEABLE.includes(name) === isChangeable);
}

/** One line about what has changed. */
export function formatReload(
  changes: readonly OptionChange[],
  { files, before }: { files: number; before: number },
): string {
  const changed = changes.filter(({ name }) => CHANGEABLE.includes(name))
    .map(({ name, value, before }) => `${name} ${value} (${before} before)`);
  const waiting = namesOf(changes, false);
  const others = waiting.length === 0
    ? ""
    : `; restart the node for ${waiting.join(", ")}`;
  const share = `sharing ${counted(files, "file")}` +
    (files === before ? "" : ` (${before} before)`);
  const what = changed.length === 0 ? "no change" : changed.join(", ");
  return `settings read again: ${what}, ${share}${others}`;
}
