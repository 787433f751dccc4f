/**
 * The file of `--config`: options in TOML. Options at the top apply to all
 * roles; a table with the name of a role overrides them for that role.
 *
 * ```toml
 * known-relays = "relays"
 *
 * [node]
 * name = "laptop"
 * ```
 *
 * @module
 */

import { Failure } from "../../base/errors.ts";
import { LIMITS } from "../../base/limits.ts";
import { show } from "../../base/text.ts";
import type { Settings } from "./command_line.ts";
import type { OptionSpec, Role } from "./option_spec.ts";
import { OPTIONS } from "./option_table.ts";
import { readBounded } from "./text_file.ts";
import { didYouMean } from "./suggestion.ts";

const ROLES: readonly Role[] = ["relay", "node", "client"];

/**
 * The options that a file sets for `role`.
 *
 * @throws {Failure} of kind `not_allowed` if reading is not permitted, `local`
 * if it fails, `usage` for an unknown or invalid setting.
 */
export async function readConfig(path: string, role: Role): Promise<Settings> {
  const text = await readBounded(path, {
    what: "Cannot read configuration",
    mostBytes: LIMITS.configBytes,
    remedy: "name a file in TOML with --config",
  });
  const { parse } = await import("@std/toml/parse");
  let table: Record<string, unknown>;
  try {
    table = parse(text.trimEnd()); // the parser fails on whitespace at the end
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const [, line] = /^Parse error on line (\d+)/.exec(error.message) ?? [];
    throw cannotUse(
      path,
      line === undefined ? "it is not TOML" : `line ${line}: it is not TOML`,
    );
  }
  return new ConfigText(path, text).settings(table, role);
}

/** A configuration file while it is read. */
class ConfigText {
  readonly #path: string;
  readonly #lines: readonly string[];

  constructor(path: string, text: string) {
    this.#path = path;
    this.#lines = text.split("\n");
  }

  settings(table: Record<string, unknown>, role: Role): Settings {
    const settings = new Map<string, string | boolean>();
    const own = new Map<string, string | boolean>();
    for (const [key, value] of Object.entries(table)) {
      if (!isRole(key) || !isTable(value)) {
        this.#take(key, value, { into: settings });
        continue;
      }
      for (const [inner, innerValue] of Object.entries(value)) {
        this.#take(inner, innerValue, {
          of: key,
          into: key === role ? own : new Map(),
        });
      }
    }
    return new Map([...settings, ...own]);
  }

  #take(
    key: string,
    value: unknown,
    { of, into }: { of?: Role; into: Map<string, string | boolean> },
  ): void {
    const option = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    const line = this.#lineOf(key, of);
    if (option === undefined || option.isTyped || key === "config") {
      throw cannotUse(
        this.#path,
        `${line}there is no setting ${show(key)}`,
        didYouMean(key, isTable(value) ? ROLES : settable(of)),
      );
    }
    if (option.isSecret) {
      throw cannotUse(
        this.#path,
        `${line}${key} is a secret, and this file may be readable by others`,
        `put it in a file of its own, and set ${key}-file`,
      );
    }
    if (of !== undefined && option.roles?.includes(of) === false) {
      throw cannotUse(
        this.#path,
        `${line}${show(key)} is not a setting of the ${of}`,
        `use it with ${option.roles.join(", ")}`,
      );
    }
    into.set(key, this.#valueOf(option, { key, value, line }));
  }

  #valueOf(
    option: OptionSpec,
    { key, value, line }: { key: string; value: unknown; line: string },
  ): string | boolean {
    if (option.value === undefined) {
      if (typeof value === "boolean") return value;
      throw cannotUse(
        this.#path,
        `${line}${key} must be true or false`,
      );
    }
    if (typeof value === "string" && value !== "") return value;
    if (option.isRepeated) {
      if (isTexts(value)) return value.join("\n");
      throw cannotUse(this.#path, `${line}${key} must be text or a list of it`);
    }
    if (Number.isSafeInteger(value)) return String(value);
    throw cannotUse(this.#path, `${line}${key} must be text or a whole number`);
  }

  /** The line that sets a key, in words; `undefined` if it cannot be found. */
  #lineOf(key: string, table: string | undefined): string {
    let current: string | undefined;
    for (const [index, line] of this.#lines.entries()) {
      const [, header] = /^\s*\[\s*([\w-]+)\s*\]/.exec(line) ?? [];
      if (header !== undefined) {
        if (header === key && table === undefined) return `line ${index + 1}: `;
        current = header;
      }
      const [, quoted, bare] = /^\s*(?:"([^"]*)"|([\w-]+))\s*[.=]/.exec(line) ??
        [];
      if (current === table && (quoted ?? bare) === key) {
        return `line ${index + 1}: `;
      }
    }
    return "";
  }
}

function settable(role: Role | undefined): string[] {
  return Object.entries(OPTIONS).flatMap(([name, { roles, isTyped }]) =>
    isTyped || name === "config" ||
      (role !== undefined && roles?.includes(role) === false)
      ? []
      : [name]
  );
}

function isRole(key: string): key is Role {
  return ROLES.some((role) => role === key);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 &&
    value.every((text) => typeof text === "string" && text !== "");
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    !Array.isArray(value) && !(value instanceof Date);
}

function cannotUse(path: string, why: string, remedy?: string): Failure {
  return new Failure("usage", {
    what: "Cannot use configuration",
    where: show(path),
    why,
    ...(remedy === undefined ? {} : { remedy }),
  });
}
