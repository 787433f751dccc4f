/** Does nothing: what the start of any program under Deno takes. */

export {};
