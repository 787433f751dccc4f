/**
 * The checks of `receipt_schema.ts`, as TypeBox compiles them. Written
 * by `deno task checks`: change that file, and not this one.
 *
 * @module
 */
// deno-lint-ignore-file

import type { Fields } from "../../base/checks.ts";

const is0 = (value: any): boolean => ((value === 1));
const is1 = (value: any): boolean => ((value === 'relay-p2p'));
const is2 = (value: any): boolean => ((typeof value === 'string') && value.length <= 100);
const is3 = (value: any): boolean => ((typeof value === 'string') && value.length <= 400);
const is4 = (value: any): boolean => ((typeof value === 'boolean'));
const pattern5 = /^[0-9a-f]{64}$/;
const pattern6 = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
const pattern7 = /^(.*)$/;
const is8 = (value: any): boolean => (Array.isArray(value) && value.length >= 1 && ((array: any) => { for (const value of array) if(!(((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['name'] === 'string') && value['name'].length <= 1024 && (typeof value['path'] === 'string') && value['path'].length <= 4096 && Number.isInteger(value['bytes']) && value['bytes'] <= 1099511627776 && value['bytes'] >= 0 && (typeof value['sha256'] === 'string') && pattern5.test(value['sha256']) && (typeof value['content'] === 'string') && pattern5.test(value['content']) && (((value['verified'] === 'received')) || ((value['verified'] === 'present'))) && (typeof value['receivedAt'] === 'string') && pattern6.test(value['receivedAt']) && Number.isInteger(value['earlierBytes']) && value['earlierBytes'] <= 1099511627776 && value['earlierBytes'] >= 0 && Array.isArray(value['from']) && ((array: any) => { for (const value of array) if(!(((typeof value === 'object' && value !== null && !Array.isArray(value)) && (value['kind'] !== undefined ? ((((value['kind'] === 'node')) || ((value['kind'] === 'holder')))) : true) && (typeof value['id'] === 'string') && value['id'].length <= 52 && value['id'].length >= 52 && (typeof value['name'] === 'string') && value['name'].length <= 1024 && Number.isInteger(value['bytes']) && value['bytes'] <= 1099511627776 && value['bytes'] >= 0 && (typeof value['paths'] === 'object' && value['paths'] !== null && !Array.isArray(value['paths']) && !(value['paths'] instanceof Date) && !(value['paths'] instanceof Uint8Array)) && (Object.entries(value['paths']).every(([key, value]: any) => (pattern7.test(key) ? (Number.isInteger(value) && value <= 1099511627776 && value >= 0) : true)))))) { return false }; return true; })(value['from'])))) { return false }; return true; })(value));
/** The fields of a receipt. */
export const RECEIPT_FIELDS: Fields = { v: is0, receipt: is1, program: is2, relay: is3, encrypted: is4, files: is8 };
/** The JSON Schema of a receipt. */
export const RECEIPT_SCHEMA = '{"type":"object","required":["v","receipt","program","relay","encrypted","files"],"properties":{"v":{"const":1,"type":"number"},"receipt":{"const":"relay-p2p","type":"string"},"program":{"maxLength":100,"type":"string"},"relay":{"maxLength":400,"type":"string"},"encrypted":{"type":"boolean"},"files":{"minItems":1,"type":"array","items":{"type":"object","required":["name","path","bytes","sha256","content","verified","receivedAt","earlierBytes","from"],"properties":{"name":{"maxLength":1024,"type":"string"},"path":{"maxLength":4096,"type":"string"},"bytes":{"minimum":0,"maximum":1099511627776,"type":"integer"},"sha256":{"pattern":"^[0-9a-f]{64}$","type":"string"},"content":{"pattern":"^[0-9a-f]{64}$","type":"string"},"verified":{"anyOf":[{"const":"received","type":"string"},{"const":"present","type":"string"}]},"receivedAt":{"pattern":"^\\\\d{4}-\\\\d\\\\d-\\\\d\\\\dT[\\\\d:.]+Z$","type":"string"},"earlierBytes":{"minimum":0,"maximum":1099511627776,"type":"integer"},"from":{"type":"array","items":{"type":"object","required":["id","name","bytes","paths"],"properties":{"kind":{"anyOf":[{"const":"node","type":"string"},{"const":"holder","type":"string"}]},"id":{"minLength":52,"maxLength":52,"type":"string"},"name":{"maxLength":1024,"type":"string"},"bytes":{"minimum":0,"maximum":1099511627776,"type":"integer"},"paths":{"type":"object","patternProperties":{"^(.*)$":{"minimum":0,"maximum":1099511627776,"type":"integer"}}}}}}}}}}}';
