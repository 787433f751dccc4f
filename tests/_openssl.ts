/**
 * `openssl s_server`: a TLS server that is not ours.
 */

import { TextLineStream } from "@std/streams";
import type { Endpoint } from "../lib/base/conn.ts";
import type { Identity } from "../lib/identity/identity.ts";
import { within } from "./_event_log.ts";

/** Serves with a certificate and key, for an ALPN name, on loopback. */
export async function serveOpenssl(
  { certificatePem, privateKeyPem }: Pick<
    Identity,
    "certificatePem" | "privateKeyPem"
  >,
  alpn = "relay-p2p/1",
): Promise<Endpoint & AsyncDisposable> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, certificatePem + privateKeyPem);
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-alpn", alpn],
      ...["-cert", path, "-key", path],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  let port: string | undefined;
  while (port === undefined) {
    const { value, done } = await within(lines.read(), "openssl s_server");
    if (done) throw new Error("openssl s_server ended");
    port = /^ACCEPT 127\.0\.0\.1:(\d+)$/.exec(value)?.[1];
  }
  return {
    host: "127.0.0.1",
    port: Number(port),
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      child.kill();
      await child.status;
      await lines.cancel();
      await Deno.remove(path);
    },
  };
}
