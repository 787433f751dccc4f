/**
 * Writes the checks of the schemas as code: `deno task checks`. TypeBox compiles
 * them here, and not in each program when it starts: it has 218 modules.
 */

import { join } from "@std/path";
import type { TObject, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { ReceiptSchema } from "../lib/cli/commands/receipt_schema.ts";
import { KeptSchema } from "../lib/client/kept_schema.ts";
import { CODEC } from "../lib/protocol/message_schemas.ts";
import { RecordSchema } from "../lib/protocol/record_schema.ts";
import {
  HolderBodySchema,
  NodeBodySchema,
} from "../lib/relay/instance_schemas.ts";
import { ROOT } from "./_rooms.ts";

/** A module of checks, and the module of the schemas that it comes from. */
interface Made {
  readonly path: string;
  readonly schemas: string;
  /** The way from there to `base/`. */
  readonly base: string;
  /** What else it imports. */
  readonly imports?: string;
  /** What it exports. */
  readonly parts: (code: CheckCode) => readonly string[];
}

/** The modules of checks. */
export const MADE: readonly Made[] = [{
  path: "lib/protocol/message_checks.ts",
  schemas: "message_schemas.ts",
  base: "../base",
  imports: 'import type { CODEC } from "./message_schemas.ts";\n',
  parts: (code) => [
    "/** The number of each message, the checks of its fields, its JSON Schema. */",
    "export const MESSAGE_CHECKS: Readonly<",
    "  Record<keyof typeof CODEC, { type: number; fields: Fields; schema: string }>",
    "> = {",
    ...Object.entries(CODEC).map(([kind, { type, schema }]) =>
      `  ${kind}: { type: ${type}, fields: ${code.fieldsOf(schema)}, schema: ${
        textOf(schema)
      } },`
    ),
    "};",
    "/** The fields of a signed record. */",
    `export const RECORD_FIELDS: Fields = ${code.fieldsOf(RecordSchema)};`,
    "/** The JSON Schema of a signed record. */",
    `export const RECORD_SCHEMA = ${textOf(RecordSchema)};`,
  ],
}, {
  path: "lib/client/kept_checks.ts",
  schemas: "kept_schema.ts",
  base: "../base",
  parts: (code) => [
    "/** The fields of a node that is kept between runs. */",
    `export const KEPT_FIELDS: Fields = ${code.fieldsOf(KeptSchema)};`,
  ],
}, {
  path: "lib/cli/commands/receipt_checks.ts",
  schemas: "receipt_schema.ts",
  base: "../../base",
  parts: (code) => [
    "/** The fields of a receipt. */",
    `export const RECEIPT_FIELDS: Fields = ${code.fieldsOf(ReceiptSchema)};`,
    "/** The JSON Schema of a receipt. */",
    `export const RECEIPT_SCHEMA = ${textOf(ReceiptSchema)};`,
  ],
}, {
  path: "lib/relay/instance_checks.ts",
  schemas: "instance_schemas.ts",
  base: "../base",
  parts: (code) => [
    "/** The fields of what an instance sends about a node. */",
    `export const NODE_FIELDS: Fields = ${code.fieldsOf(NodeBodySchema)};`,
    "/** The fields of what an instance sends about a holder. */",
    `export const HOLDER_FIELDS: Fields = ${code.fieldsOf(HolderBodySchema)};`,
  ],
}];

/** The checks of one module as text: equal ones stand there once. */
class CheckCode {
  readonly #names = new Map<string, string>();

  /** Text of the checks of the fields of `schema`. */
  fieldsOf({ properties, required = [] }: TObject): string {
    const fields = Object.entries(properties).map(([field, schema]) => {
      const check = this.#nameOf(schema, !required.includes(field));
      return `${field}: ${check}`;
    });
    return `{ ${fields.join(", ")} }`;
  }

  #nameOf(schema: TSchema, isOptional: boolean): string {
    const code = TypeCompiler.Code(schema, { language: "typescript" });
    const [, before = "", text] =
      /^([^]*)return function check\(value: any\): boolean \{\n +return \(([^]*)\)\n\}$/
        .exec(code) ?? [];
    if (text === undefined) throw new Error(`other code of TypeBox: ${code}`);
    let all = text.trim().replaceAll(/\s*\n\s*/g, " ")
      // TypeScript accepts no type there, and wants one here.
      .replaceAll("for(const value: any of", "for (const value of")
      .replaceAll("((array) =>", "((array: any) =>")
      .replaceAll("(([key, value]) =>", "(([key, value]: any) =>");
    for (const line of before.split("\n")) {
      const [, local, pattern] = /^const (local_\d+) = (.*?);?$/.exec(line) ??
        [];
      if (local === undefined) continue;
      const name = this.#named("pattern", pattern!);
      all = all.replaceAll(new RegExp(`\\b${local}\\b`, "g"), name);
    }
    const optional = isOptional ? "value === undefined || " : "";
    return this.#named("is", `(value: any): boolean => ${optional}(${all})`);
  }

  #named(prefix: string, code: string): string {
    const name = this.#names.get(code) ?? `${prefix}${this.#names.size}`;
    this.#names.set(code, name);
    return name;
  }

  /** The checks, each with its name. */
  get lines(): readonly string[] {
    return [...this.#names].map(([code, name]) => `const ${name} = ${code};`);
  }
}

/** A schema as text: programs parse it only to describe a mismatch. */
function textOf(schema: TSchema): string {
  return `'${
    JSON.stringify(schema).replaceAll("\\", "\\\\").replaceAll("'", "\\'")
  }'`;
}

/** The text that a module of checks must have. */
export function checksText(
  { schemas, base, imports = "", parts }: Made,
): string {
  const code = new CheckCode();
  const exported = parts(code);
  const all = [...code.lines, ...exported].join("\n");
  return `/**
 * The checks of \`${schemas}\`, as TypeBox compiles them. Written
 * by \`deno task checks\`: change that file, and not this one.
 *
 * @module
 */
// deno-lint-ignore-file

import type { Fields } from "${base}/checks.ts";
${imports}
${all}
`;
}

if (import.meta.main) {
  for (const made of MADE) {
    await Deno.writeTextFile(join(ROOT, made.path), checksText(made));
  }
}
