/**
 * The parts of the documents that are written from the tables of the program:
 * options, exit codes, events. `deno task reference` writes them.
 */

import type { TSchema } from "@sinclair/typebox";
import { EXIT_WORDS } from "../lib/cli/options/command_table.ts";
import { type EventName, EVENTS, schemaOf } from "./_events_schema.ts";
import type { OptionSpec, Role } from "../lib/cli/options/option_spec.ts";
import {
  describeOption,
  formatOption,
  OPTIONS,
} from "../lib/cli/options/option_table.ts";

const ROLES: readonly Role[] = ["relay", "node", "client"];

/** A document, and the tables in it, each below its header row. */
export interface Reference {
  readonly path: string;
  readonly tables: Readonly<Record<string, readonly string[]>>;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function optionCells([name, option]: [string, OptionSpec]): string[] {
  const typed = formatOption(name, option).split(", ").map((word) =>
    `\`${word}\``
  ).join(", ");
  const isOf = (role: Role) => option.roles?.includes(role) ?? true;
  const initial = option.default === undefined
    ? ""
    : `; \`${option.default}\` by default`;
  return [
    typed,
    ...ROLES.map((role) => isOf(role) ? "x" : ""),
    describeOption(option) + initial,
  ];
}

/** The tables of options and exit codes. */
export const REFERENCE: Reference = {
  path: "docs/REFERENCE.md",
  tables: {
    "| option": Object.entries(OPTIONS).map((entry) => row(optionCells(entry))),
    "| exit code": Object.entries(EXIT_WORDS)
      .map(([code, words]) => row([code, words])),
  },
};

/** What the fields of a schema are, those inside of others included. */
function fieldRows(
  fields: Readonly<Record<string, TSchema>>,
  prefix = "",
): string[] {
  return Object.entries(fields).flatMap(([name, schema]) => {
    const at = `${prefix}${name}`;
    const optional = Symbol.for("TypeBox.Optional") in schema ? "?" : "";
    const own = row([
      `\`${at}${optional}\``,
      typeOf(schema),
      schema.description ?? "",
    ]);
    return [own, ...insideOf(schema, at)];
  });
}

function insideOf(schema: TSchema, at: string): string[] {
  if (schema["type"] === "array") return insideOf(schema["items"], `${at}[]`);
  if (schema["type"] === "object") {
    return fieldRows(schema["properties"], `${at}.`);
  }
  const choices: TSchema[] = schema["anyOf"] ?? [];
  return [
    ...new Set(choices.flatMap((choice) => insideOf(choice, at))),
  ];
}

function typeOf(schema: TSchema): string {
  if (schema["const"] !== undefined) return `\`${schema["const"]}\``;
  const choices: TSchema[] | undefined = schema["anyOf"];
  if (choices !== undefined) {
    return [...new Set(choices.map(typeOf))].join(" or ");
  }
  if (schema["type"] === "array") return `list of ${typeOf(schema["items"])}`;
  if (schema["type"] === "string") return "text";
  return schema["type"];
}

const NAMES = Object.keys(EVENTS) as EventName[];

/** The list of events in `docs/EVENTS.md`. */
export const EVENTS_START = "## Events\n";

/** The part of `docs/EVENTS.md` after its introduction. */
export function eventsText(): string {
  const sections = NAMES.map((name) => {
    const { says, roles, fields } = EVENTS[name];
    const rows = fieldRows(fields);
    const table = rows.length === 0
      ? []
      : ["", "| field | type | |", "| --- | --- | --- |", ...rows];
    return [
      `### ${name}`,
      "",
      `${says[0]!.toUpperCase()}${says.slice(1)}. Reported by: ${
        roles.join(", ")
      }.`,
      ...table,
      "",
    ].join("\n");
  });
  return sections.join("\n");
}

/** `docs/events.schema.json`: open to fields that are added later. */
export function eventsSchema(): string {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A line of --json",
    oneOf: NAMES.map((name) => schemaOf(name)),
  };
  const text = JSON.stringify(
    schema,
    (key, value) => key === "additionalProperties" ? undefined : value,
    2,
  );
  return `${text}\n`;
}
