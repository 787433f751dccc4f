/**
 * The checks of `kept_schema.ts`, as TypeBox compiles them. Written
 * by `deno task checks`: change that file, and not this one.
 *
 * @module
 */
// deno-lint-ignore-file

import type { Fields } from "../base/checks.ts";

const is0 = (value: any): boolean => ((typeof value === 'string') && value.length <= 300);
const is1 = (value: any): boolean => ((typeof value === 'string') && value.length <= 52);
const is2 = (value: any): boolean => (Number.isInteger(value) && value >= 0);
const is3 = (value: any): boolean => ((typeof value === 'string') && value.length <= 2048);
const is4 = (value: any): boolean => ((typeof value === 'string') && value.length <= 1400);
const is5 = (value: any): boolean => ((typeof value === 'string') && value.length <= 88);
const is6 = (value: any): boolean => (Array.isArray(value) && value.length <= 8 && ((array: any) => { for (const value of array) if(!((Number.isInteger(value) && value >= 0))) { return false }; return true; })(value));
const is7 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 1024);
/** The fields of a node that is kept between runs. */
export const KEPT_FIELDS: Fields = { relay: is0, relayId: is1, node: is1, at: is2, record: is3, certificate: is4, signature: is5, observed: is6, grant: is7 };
