/**
 * The checks of `message_schemas.ts`, as TypeBox compiles them. Written
 * by `deno task checks`: change that file, and not this one.
 *
 * @module
 */
// deno-lint-ignore-file

import type { Fields } from "../base/checks.ts";
import type { CODEC } from "./message_schemas.ts";

const is0 = (value: any): boolean => (Number.isInteger(value) && value <= 9007199254740991 && value >= 0);
const is1 = (value: any): boolean => ((typeof value === 'string') && value.length <= 128);
const is2 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 52 && value.length >= 52);
const is3 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 128);
const is4 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 300);
const is5 = (value: any): boolean => value === undefined || (Number.isInteger(value) && value <= 65535 && value >= 1);
const is6 = (value: any): boolean => value === undefined || ((typeof value === 'boolean'));
const is7 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 3400);
const is8 = (value: any): boolean => value === undefined || (Number.isInteger(value) && value <= 8640000000000000 && value >= -8640000000000000);
const is9 = (value: any): boolean => value === undefined || (Number.isInteger(value) && value <= 9007199254740991 && value >= 0);
const is10 = (value: any): boolean => ((typeof value === 'string') && value.length <= 300);
const is11 = (value: any): boolean => value === undefined || (Number.isInteger(value) && value <= 4294967295 && value >= 0);
const pattern12 = /^[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{22})?$/;
const is13 = (value: any): boolean => ((typeof value === 'string') && pattern12.test(value));
const is14 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 64);
const is15 = (value: any): boolean => ((typeof value === 'string') && value.length <= 64);
const is16 = (value: any): boolean => ((typeof value === 'string') && value.length <= 1024);
const pattern17 = /^[A-Za-z0-9_-]{16,64}$/;
const is18 = (value: any): boolean => ((typeof value === 'string') && pattern17.test(value));
const is19 = (value: any): boolean => ((typeof value === 'string') && value.length <= 2048);
const is20 = (value: any): boolean => ((typeof value === 'string') && value.length <= 1400);
const is21 = (value: any): boolean => ((typeof value === 'string') && value.length <= 88 && value.length >= 88);
const is22 = (value: any): boolean => (Number.isInteger(value) && value <= 86400 && value >= 1);
const is23 = (value: any): boolean => value === undefined || (Array.isArray(value) && value.length <= 4 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 44 && value.length >= 44))) { return false }; return true; })(value));
const pattern24 = /^[A-Za-z0-9_-]{30}$/;
const is25 = (value: any): boolean => value === undefined || ((typeof value === 'string') && pattern24.test(value));
const pattern26 = /^[A-Za-z0-9+/]{43}=$/;
const is27 = (value: any): boolean => value === undefined || ((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['key'] === 'string') && pattern26.test(value['key']) && (typeof value['epoch'] === 'string') && value['epoch'].length <= 128 && Number.isInteger(value['version']) && value['version'] <= 9007199254740991 && value['version'] >= 0);
const is28 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 428);
const pattern29 = /^[A-Za-z0-9_-]{11}$/;
const is30 = (value: any): boolean => value === undefined || ((typeof value === 'string') && pattern29.test(value));
const pattern31 = /^[a-z2-7]{16}$/;
const is32 = (value: any): boolean => value === undefined || ((typeof value === 'string') && pattern31.test(value));
const is33 = (value: any): boolean => (Array.isArray(value) && value.length <= 1000 && ((array: any) => { for (const value of array) if(!(((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['record'] === 'string') && value['record'].length <= 2048 && (typeof value['certificate'] === 'string') && value['certificate'].length <= 1400 && (typeof value['signature'] === 'string') && value['signature'].length <= 88 && value['signature'].length >= 88 && (value['observed'] !== undefined ? (Array.isArray(value['observed']) && value['observed'].length <= 8 && ((array: any) => { for (const value of array) if(!((Number.isInteger(value) && value <= 7 && value >= 0))) { return false }; return true; })(value['observed'])) : true) && (value['tunnel'] !== undefined ? ((typeof value['tunnel'] === 'boolean')) : true) && (value['at'] !== undefined ? ((typeof value['at'] === 'string') && value['at'].length <= 80) : true)))) { return false }; return true; })(value));
const is34 = (value: any): boolean => value === undefined || (Array.isArray(value) && value.length <= 1000 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 3400))) { return false }; return true; })(value));
const is35 = (value: any): boolean => value === undefined || ((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['key'] === 'string') && pattern26.test(value['key']) && Number.isInteger(value['unindexed']) && value['unindexed'] <= 9007199254740991 && value['unindexed'] >= 0);
const is36 = (value: any): boolean => (Array.isArray(value) && value.length <= 64 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 52 && value.length >= 52))) { return false }; return true; })(value));
const is37 = (value: any): boolean => value === undefined || (Array.isArray(value) && value.length <= 16 && value.length >= 1 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 52 && value.length >= 52))) { return false }; return true; })(value));
const is38 = (value: any): boolean => (Array.isArray(value) && value.length <= 64 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 128))) { return false }; return true; })(value));
const is39 = (value: any): boolean => ((typeof value === 'string') && value.length <= 52 && value.length >= 52);
const pattern40 = /^[0-9a-f]{64}$/;
const is41 = (value: any): boolean => ((typeof value === 'string') && pattern40.test(value));
const is42 = (value: any): boolean => (Number.isInteger(value) && value <= 4294967295 && value >= 1);
const is43 = (value: any): boolean => (Number.isInteger(value) && value <= 65535 && value >= 1);
const is44 = (value: any): boolean => (Number.isInteger(value) && value <= 9007199254740991 && value >= 1);
const is45 = (value: any): boolean => ((typeof value === 'string') && value.length <= 30000);
const is46 = (value: any): boolean => (Array.isArray(value) && value.length <= 500 && value.length >= 1 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 52 && value.length >= 52))) { return false }; return true; })(value));
const is47 = (value: any): boolean => (Array.isArray(value) && value.length <= 500 && ((array: any) => { for (const value of array) if(!(((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['listed'] === 'boolean') && (value['fingerprints'] !== undefined ? (Number.isInteger(value['fingerprints']) && value['fingerprints'] <= 9007199254740991 && value['fingerprints'] >= 0) : true) && (value['seconds'] !== undefined ? (Number.isInteger(value['seconds']) && value['seconds'] <= 9007199254740991 && value['seconds'] >= 0) : true)))) { return false }; return true; })(value));
const pattern48 = /^[A-Za-z0-9_-]{22}$/;
const is49 = (value: any): boolean => ((typeof value === 'string') && pattern48.test(value));
const is50 = (value: any): boolean => (Array.isArray(value) && value.length <= 64 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && pattern48.test(value)))) { return false }; return true; })(value));
const is51 = (value: any): boolean => ((typeof value === 'string') && pattern24.test(value));
const is52 = (value: any): boolean => value === undefined || (Number.isInteger(value) && value <= 50 && value >= 1);
const is53 = (value: any): boolean => (Array.isArray(value) && value.length <= 50 && ((array: any) => { for (const value of array) if(!(((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['record'] === 'string') && value['record'].length <= 2048 && (typeof value['certificate'] === 'string') && value['certificate'].length <= 1400 && (typeof value['signature'] === 'string') && value['signature'].length <= 88 && value['signature'].length >= 88 && (value['observed'] !== undefined ? (Array.isArray(value['observed']) && value['observed'].length <= 8 && ((array: any) => { for (const value of array) if(!((Number.isInteger(value) && value <= 7 && value >= 0))) { return false }; return true; })(value['observed'])) : true) && (value['tunnel'] !== undefined ? ((typeof value['tunnel'] === 'boolean')) : true) && (value['at'] !== undefined ? ((typeof value['at'] === 'string') && value['at'].length <= 80) : true) && (value['near'] !== undefined ? ((typeof value['near'] === 'boolean')) : true)))) { return false }; return true; })(value));
const is54 = (value: any): boolean => value === undefined || (Array.isArray(value) && value.length <= 50 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 3400))) { return false }; return true; })(value));
const is55 = (value: any): boolean => (Number.isInteger(value) && value <= 4294967295 && value >= 0);
const is56 = (value: any): boolean => (Number.isInteger(value) && value <= 8640000000000000 && value >= -8640000000000000);
const is57 = (value: any): boolean => ((typeof value === 'string') && value.length <= 32 && value.length >= 32);
const is58 = (value: any): boolean => value === undefined || ((typeof value === 'string') && pattern40.test(value));
const is59 = (value: any): boolean => ((typeof value === 'string') && value.length <= 64 && value.length >= 32);
const is60 = (value: any): boolean => (Number.isInteger(value) && value <= 65535 && value >= 0);
const is61 = (value: any): boolean => (Number.isInteger(value) && value <= 65536 && value >= 1);
const is62 = (value: any): boolean => (Array.isArray(value) && value.length <= 48 && value.length >= 1 && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 64 && value.length >= 32))) { return false }; return true; })(value));
const is63 = (value: any): boolean => (Array.isArray(value) && value.length <= 1000 && ((array: any) => { for (const value of array) if(!(((typeof value === 'object' && value !== null && !Array.isArray(value)) && (typeof value['name'] === 'string') && value['name'].length <= 1024 && Number.isInteger(value['size']) && value['size'] <= 9007199254740991 && value['size'] >= 0 && Number.isInteger(value['modifiedMs']) && value['modifiedMs'] <= 8640000000000000 && value['modifiedMs'] >= -8640000000000000 && (typeof value['version'] === 'string') && value['version'].length <= 32 && value['version'].length >= 32 && (value['content'] !== undefined ? ((typeof value['content'] === 'string') && pattern40.test(value['content'])) : true) && (value['executable'] !== undefined ? ((typeof value['executable'] === 'boolean')) : true)))) { return false }; return true; })(value));
const is64 = (value: any): boolean => ((typeof value === 'boolean'));
const is65 = (value: any): boolean => value === undefined || ((typeof value === 'string') && value.length <= 10924);
const is66 = (value: any): boolean => (Array.isArray(value) && value.length <= 64 && ((array: any) => { for (const value of array) if(!((Array.isArray(value) && (value.length === 2) && (Number.isInteger(value[0]) && value[0] <= 65535 && value[0] >= 0) && (Number.isInteger(value[1]) && value[1] <= 65536 && value[1] >= 1)))) { return false }; return true; })(value));
const is67 = (value: any): boolean => (value instanceof Uint8Array);
const is68 = (value: any): boolean => ((((value === 'register')) || ((value === 'withdraw')) || ((value === 'hold'))));
const pattern69 = /^[ !#-\[\]-~]{52,52}$/;
const is70 = (value: any): boolean => ((typeof value === 'string') && pattern69.test(value));
const pattern71 = /^[ !#-\[\]-~]{0,64}$/;
const is72 = (value: any): boolean => ((typeof value === 'string') && pattern71.test(value));
const pattern73 = /^[ !#-\[\]-~]{8,32}$/;
const is74 = (value: any): boolean => ((typeof value === 'string') && pattern73.test(value));
const is75 = (value: any): boolean => ((typeof value === 'string') && value.length <= 256);
const is76 = (value: any): boolean => (Array.isArray(value) && ((array: any) => { for (const value of array) if(!(((typeof value === 'string') && value.length <= 136))) { return false }; return true; })(value));
/** The number of each message, and the checks of its fields. */
export const MESSAGE_CHECKS: Readonly<
  Record<keyof typeof CODEC, { type: number; fields: Fields }>
> = {
  hello: { type: 1, fields: { protocol: is0, role: is1, id: is2, nonce: is3, greeting: is4, tunnelPort: is5, motd: is4, minVersion: is3, private: is6, grant: is7, version: is3, time: is8, uptime: is9, observed: is3 } },
  refused: { type: 2, fields: { code: is1, text: is10, request: is11 } },
  join: { type: 3, fields: { key: is13, passed: is6, proof: is14 } },
  joined: { type: 4, fields: {  } },
  ping: { type: 5, fields: {  } },
  pong: { type: 6, fields: {  } },
  authenticate: { type: 7, fields: { proof: is15 } },
  redeem: { type: 8, fields: { pass: is1, name: is16, fetch: is18 } },
  register: { type: 32, fields: { record: is19, certificate: is20, signature: is21 } },
  registered: { type: 33, fields: { leaseSeconds: is22, renewSeconds: is22, stay: is6, grantKeys: is23, proof: is14, renewal: is25, index: is27 } },
  withdraw: { type: 34, fields: { record: is19, certificate: is20, signature: is21 } },
  withdrawn: { type: 35, fields: {  } },
  list: { type: 36, fields: { cursor: is3, most: is9, fingerprints: is28, key: is30, sender: is32 } },
  nodes: { type: 37, fields: { count: is0, nodes: is33, cursor: is3, grants: is34, index: is35 } },
  report: { type: 38, fields: { ids: is36, wrong: is37 } },
  reported: { type: 39, fields: { outcomes: is38 } },
  attach: { type: 40, fields: {  } },
  attached: { type: 41, fields: {  } },
  reach: { type: 42, fields: {  } },
  reached: { type: 43, fields: { outcome: is1 } },
  tunnel: { type: 44, fields: { id: is39 } },
  rendezvous: { type: 45, fields: { key: is13 } },
  invite: { type: 46, fields: { key: is13, from: is1 } },
  decline: { type: 47, fields: { key: is13, code: is1 } },
  mint: { type: 48, fields: { name: is16, content: is41, expiresSeconds: is42, uses: is43 } },
  minted: { type: 49, fields: { pass: is1 } },
  index: { type: 50, fields: { epoch: is1, version: is44, add: is45, remove: is45, begin: is6, more: is6, key: is30 } },
  indexed: { type: 51, fields: { outcome: is1 } },
  lookup: { type: 59, fields: { ids: is46 } },
  looked: { type: 60, fields: { nodes: is47 } },
  open: { type: 61, fields: { id: is39, from: is1, proof: is49 } },
  enter: { type: 52, fields: { record: is19, certificate: is20, signature: is21 } },
  entered: { type: 53, fields: { leaseSeconds: is22, renewSeconds: is22 } },
  hold: { type: 54, fields: { contents: is50 } },
  held: { type: 55, fields: { outcome: is1, grantKeys: is23, proof: is14 } },
  renew: { type: 56, fields: { id: is39, renewal: is51 } },
  holders: { type: 57, fields: { content: is49, most: is52 } },
  holderList: { type: 58, fields: { count: is0, holders: is53, grants: is54 } },
  find: { type: 64, fields: { request: is55, name: is16 } },
  found: { type: 65, fields: { request: is55, size: is0, modifiedMs: is56, version: is57, content: is58, sha256: is58, executable: is6 } },
  read: { type: 66, fields: { request: is55, of: is59, first: is60, count: is61 } },
  readMany: { type: 67, fields: { request: is55, of: is62 } },
  describe: { type: 68, fields: { request: is55, of: is59 } },
  manifest: { type: 69, fields: { request: is55, size: is0, content: is41, sha256: is41 } },
  browse: { type: 70, fields: { request: is55, prefix: is16 } },
  files: { type: 71, fields: { request: is55, files: is63, more: is64 } },
  working: { type: 72, fields: { request: is55 } },
  skipped: { type: 73, fields: { request: is55, code: is1, text: is10 } },
  holding: { type: 74, fields: { request: is55, of: is41 } },
  has: { type: 75, fields: { request: is55, bitmap: is65, complete: is6 } },
  gained: { type: 76, fields: { request: is55, runs: is66 } },
  offer: { type: 77, fields: { request: is55, of: is41, id: is39 } },
  taken: { type: 78, fields: { request: is55 } },
  pieces: { type: 97, fields: { request: is55, hashes: is67 } },
};
/** The fields of a signed record. */
export const RECORD_FIELDS: Fields = { purpose: is68, relay: is70, nonce: is72, instance: is74, sequence: is0, name: is75, addresses: is76 };
