/**
 * Prints how many test files run at once: one and a half times as many as there
 * are cores, because tests wait a good deal. The variable `DENO_JOBS` sets
 * another number.
 */

const jobs = Deno.env.get("DENO_JOBS") ??
  String(Math.ceil(navigator.hardwareConcurrency * 1.5));
await Deno.stdout.write(new TextEncoder().encode(jobs));
