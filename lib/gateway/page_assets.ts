/**
 * The files of the page: style, scripts and icon, which the browser fetches
 * once. They are in the program, so that no permission to read is needed.
 *
 * @module
 */

import { PAGE_BUNDLE } from "./page_bundle.ts";

/** A file of the page. */
export interface PageAsset {
  /** Its content type. */
  readonly type: string;
  /** Its content. */
  readonly body: string;
}

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Names of all files of the page. */
export const PAGE_ASSETS: readonly string[] = Object.keys(PAGE_BUNDLE);

/** The file of the page below `/page/`, if there is one with that name. */
export function pageAsset(path: string): PageAsset | undefined {
  if (!Object.hasOwn(PAGE_BUNDLE, path)) return undefined;
  const bytes = Uint8Array.fromBase64(PAGE_BUNDLE[path]!);
  const extension = path.slice(path.lastIndexOf(".") + 1);
  return { type: TYPES[extension]!, body: new TextDecoder().decode(bytes) };
}
