/**
 * The rooms of `lib/` as docs/ARCHITECTURE.md lists them, the imports between
 * them, and the picture that is drawn from both.
 */

import { join } from "@std/path";

export const ROOT = new URL("..", import.meta.url).pathname;

/** The scripts: each is a room of its own. */
export const SCRIPTS = ["relay.ts", "peer_node.ts", "peer_client.ts"];

/** Where the picture stands in docs/ARCHITECTURE.md. */
export const PICTURE = /```mermaid\n[^`]*```\n/;

/** A file of the project, as text. */
export function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** Paths of the modules below `folder`, relative to the project. */
export function modulesBelow(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory) return modulesBelow(path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

/** Code without comments, so that examples in them do not count. */
export function codeOf(path: string): string {
  return read(path).replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(
    /^\s*\/\/.*$/gm,
    "",
  );
}

/** What a module imports, static or dynamic, as paths or bare names. */
export function importsOf(path: string): string[] {
  const found = codeOf(path).matchAll(
    /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)"([^"]+)"/g,
  );
  return [...found].map(([, specifier = ""]) => resolved(specifier, path));
}

/**
 * `path`, and all that it loads before any of its code runs; with `later` also
 * what it may load afterwards.
 */
export function loadedAtStart(path: string, { later = false } = {}): string[] {
  const loaded = new Set([path]);
  // A set also gives what is added to it meanwhile.
  for (const module of loaded) {
    if (!module.endsWith(".ts")) continue;
    const code = codeOf(module).replaceAll(
      /^(?:import|export) type [^;]*;$/gm,
      "",
    );
    const found = [
      ...code.matchAll(STATIC_IMPORT),
      ...later ? code.matchAll(LATER_IMPORT) : [],
    ];
    for (const [, specifier = ""] of found) {
      loaded.add(resolved(specifier, module));
    }
  }
  return [...loaded];
}

// Not the text of an example, or of code that a worker is given.
const STATIC_IMPORT = /^(?:import|export)\s+(?:[^;"]*?\sfrom\s+)?"([^"]+)";$/gm;

const LATER_IMPORT = /\bimport\(\s*"([^"]+)"/g;

/** A specifier in the module at `path`, as a path or a bare name. */
function resolved(specifier: string, path: string): string {
  return specifier.startsWith(".") ? join(path, "..", specifier) : specifier;
}

/** The folder of a module below `lib/`; `mod.ts` and the scripts by themselves. */
export function roomOf(path: string): string {
  const inside = path.replace(/^lib\//, "");
  return inside.replace(/[^/]+$/, "") || inside;
}

/** The rooms that a document lists, from top to bottom. */
export function roomsIn(document: string): string[] {
  return [...document.matchAll(/^- \*\*`([^`]+)`\*\*/gm)].map(([, room]) =>
    room!
  );
}

/**
 * The picture: an arrow from each room to those it imports from, without the
 * arrows that only shorten a way of others.
 */
export function floorPlan(modules: readonly string[]): string {
  const arrows = new Map<string, Set<string>>();
  for (const path of modules) {
    const from = roomOf(path);
    const to = arrows.get(from) ?? new Set();
    arrows.set(from, to);
    for (const imported of importsOf(path)) {
      if (!modules.includes(imported)) continue;
      if (roomOf(imported) !== from) to.add(roomOf(imported));
    }
  }
  const reaches = (from: string, to: string): boolean =>
    [...arrows.get(from) ?? []].some((room) =>
      room === to || reaches(room, to)
    );
  const drawn = [...arrows].flatMap(([from, rooms]) => {
    const targets = [...rooms].filter((to) =>
      ![...rooms].some((other) => other !== to && reaches(other, to))
    );
    return targets.length === 0
      ? []
      : [`  ${nodeOf(from)} --> ${targets.sort().map(nodeOf).join(" & ")}`];
  });
  return `\`\`\`mermaid\nflowchart TD\n${drawn.sort().join("\n")}\n\`\`\`\n`;
}

/** A room as Mermaid writes it: an identifier, and the name in brackets. */
function nodeOf(room: string): string {
  const name = room.replace(/\/$/, "");
  return `${name.replaceAll(/\W/g, "_")}["${name}"]`;
}
