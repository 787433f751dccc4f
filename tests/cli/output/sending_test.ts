import { assertEquals } from "@std/assert";
import { formatFetched } from "../../../lib/cli/output/sending.ts";

const PROGRESS = {
  to: "192.0.2.7",
  name: "holiday photos.zip",
  bytes: 25e6,
  total: 100e6,
  ms: 5_000,
};

Deno.test("formatFetched reports a complete fetch, and how many are left", () => {
  assertEquals(
    formatFetched(PROGRESS, 2),
    "sent holiday photos.zip to 192.0.2.7: 100 MB in 5.00 s (20.0 MB/s), 2 fetches left",
  );
  assertEquals(
    formatFetched({ ...PROGRESS, total: 6, ms: 0 }, 0),
    "sent holiday photos.zip to 192.0.2.7: 6 bytes in 0.00 s, the last fetch",
  );
});
