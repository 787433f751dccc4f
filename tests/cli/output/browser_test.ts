/**
 * What a browser that is started gets.
 */

import { assertEquals } from "@std/assert";
import { openInBrowser } from "../../../lib/cli/output/browser.ts";
import { replaced } from "../../_replaced.ts";

Deno.test("A browser gets no secret of this process in its variables", async () => {
  const given: (Record<string, string> | undefined)[] = [];
  using _command = replaced(Deno, "Command", () =>
    class {
      constructor(_path: string, { env }: Deno.CommandOptions = {}) {
        given.push(env);
      }
      spawn() {
        return { unref: () => {}, status: Promise.resolve({ success: true }) };
      }
    } as unknown as typeof Deno.Command);
  assertEquals(await openInBrowser("http://127.0.0.1:1800/"), true);
  assertEquals(given, [{
    RELAY_P2P_TOKEN: "",
    RELAY_P2P_SECRET: "",
    RELAY_P2P_CLUSTER: "",
  }]);
});
