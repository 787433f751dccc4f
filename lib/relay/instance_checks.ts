/**
 * The checks of `instance_schemas.ts`, as TypeBox compiles them. Written
 * by `deno task checks`: change that file, and not this one.
 *
 * @module
 */
// deno-lint-ignore-file

import type { Fields } from "../base/checks.ts";

const is0 = (value: any): boolean => ((typeof value === 'string'));
const is1 = (value: any): boolean => ((((value === 'alive')) || ((value === 'gone')) || ((value === 'unchecked'))));
const pattern2 = /^[A-Za-z0-9_-]{22}$/;
const is3 = (value: any): boolean => (Array.isArray(value) && value.length <= 64 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && pattern2.test(value)))) { return false }; return true; })(value));
/** The fields of what an instance sends about a node. */
export const NODE_FIELDS: Fields = { record: is0, certificate: is0, signature: is0, host: is0 };
/** The fields of what an instance sends about a holder. */
export const HOLDER_FIELDS: Fields = { record: is0, certificate: is0, signature: is0, host: is0, reached: is1, contents: is3 };
