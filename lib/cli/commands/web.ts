/**
 * The command `web`: the page of a gateway in the user's browser. It starts a
 * gateway, unless one runs.
 *
 * @module
 */

import { parsePort } from "../../base/address.ts";
import { formatEndpoint } from "../../base/conn.ts";
import { GATEWAY_NAME } from "../../gateway/routes.ts";
import { openInBrowser } from "../output/browser.ts";
import type { CliEvent } from "../output/cli_events.ts";
import type { Terminal } from "../output/terminal.ts";
import { type GatewayContext, runGateway } from "./gateway.ts";

/** The port of the gateway, unless another one is given. */
export const WEB_PORT = "1800";

// A gateway on this machine answers in milliseconds.
const ANSWER_MS = 2_000;

/** Runs the command; resolves to the exit code. */
export async function runWeb(
  word: string,
  context: GatewayContext,
): Promise<number> {
  const { terminal, signal } = context;
  const port = parsePort(word, { zero: true });
  const url = `http://${formatEndpoint({ host: "127.0.0.1", port })}/`;
  if (port !== 0 && await isGateway(url, signal)) {
    terminal.note(`the gateway is at ${url}`);
    await showPage(url, terminal);
    return 0;
  }
  return await runGateway(word, {
    ...context,
    onReady: (url) => showPage(url, terminal),
  });
}

/** Whether a gateway answers there. */
async function isGateway(url: string, signal: AbortSignal): Promise<boolean> {
  const timeout = AbortSignal.timeout(ANSWER_MS);
  try {
    const answer = await fetch(`${url}healthz`, {
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    await answer.body?.cancel();
    return answer.headers.get("server") === GATEWAY_NAME;
  } catch {
    signal.throwIfAborted();
    return false; // whatever is there, it is not a gateway
  }
}

async function showPage(url: string, terminal: Terminal): Promise<void> {
  const isShown = await openInBrowser(url);
  terminal.event<CliEvent>({ event: "page_opened", url, isShown });
  if (!isShown) {
    terminal.note("could not start a browser: open that address yourself");
  }
}
