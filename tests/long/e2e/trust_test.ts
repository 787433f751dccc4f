/**
 * Trust between processes: what an eavesdropper sees, another relay at the same
 * address, and a certificate of an authority.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createIdentity, hostnameOf } from "../../../lib/identity/identity.ts";
import { within } from "../../_event_log.ts";
import { serveOpenssl } from "../../_openssl.ts";
import { ownPort } from "../../_own_address.ts";
import { startRecording } from "../../_recording_proxy.ts";
import { tempShare } from "../../_temp_share.ts";
import { testWith } from "../../_tools.ts";
import { ROOT, runRole, spawnNode, spawnRelay } from "../../e2e/_processes.ts";

for (const encrypted of [true, false]) {
  Deno.test(
    encrypted
      ? "A capture of all legs holds neither the file's name nor its bytes"
      : "A capture holds both where encryption is off: the test above can fail",
    async () => {
      const flags = encrypted ? [] : ["--plaintext"];
      await using relay = await spawnRelay([...flags, "0"]);
      await using toRelay = startRecording();
      await using toNode = startRecording();
      toRelay.target = Number(relay.port);
      await using node = await spawnNode(
        String(toRelay.port),
        "files/two",
        [...flags, "--advertise", `127.0.0.1:${toNode.port}`],
      );
      toNode.target = Number(node.port);
      const outcome = await runRole("peer_client.ts", [
        ...flags,
        "127.0.0.1",
        String(toRelay.port),
        "cat",
        "2.txt",
      ]);
      assertEquals(outcome.text, "I am Text file 2\n");
      assertEquals(toRelay.byteCount > 1_000 && toNode.byteCount > 100, true);
      for (const words of ["2.txt", "I am Text file 2"]) {
        assertEquals(toNode.saw(words), !encrypted, words);
        assertEquals(toRelay.saw(words), false, "not the relay's business");
      }
    },
  );
}

Deno.test("A node continues with a relay that returned with another identity, and reports that", async () => {
  const port = `${ownPort()}`;
  await using before = await spawnRelay([port]);
  await using node = await spawnNode(port, "files/one");
  before.signal("SIGKILL");
  await before.exitCode;
  await using after = await spawnRelay([port]);
  // Its renewal finds the other one; leaving asks it at once.
  node.signal("SIGTERM");
  await node.stderr.until(
    new RegExp(`has a new identity: relay id ${after.id}`),
  );
  assertEquals(await within(node.exitCode, "the exit"), 0);
});

/** A certificate for the name of `id` that an authority has signed. */
async function signedByAuthority(folder: string, id: string): Promise<void> {
  const name = hostnameOf(id);
  const script = `
    cd '${folder}'
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl req -x509 -new -key ca.key -days 2 -subj /CN=authority -out ca.pem \
      -addext basicConstraints=critical,CA:TRUE
    openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
    openssl req -new -key leaf.key -subj /CN=leaf -out leaf.csr
    printf 'subjectAltName=DNS:${name}\\nbasicConstraints=CA:FALSE\\n' > ext
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
      -days 2 -extfile ext -out leaf.pem
  `;
  const { success, stderr } = await new Deno.Command("bash", {
    args: ["-ec", script],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

testWith(
  ["openssl"],
  "A certificate that a trusted authority signed for the same name is refused",
  async () => {
    await using folder = await tempShare();
    const victim = await createIdentity();
    await signedByAuthority(folder.path, victim.id);
    await Deno.writeTextFile(
      join(folder.path, "dial.ts"),
      `
      import { dial } from "${join(ROOT, "lib/transport/dial.ts")}";
      const [port, id, certificate] = Deno.args;
      const peer = { id, certificate: Uint8Array.fromBase64(certificate) };
      const outcome = await dial({ host: "127.0.0.1", port: Number(port) }, {
        peer, timeoutMs: 5000,
      }).then(() => "trusted", (error) => error.code);
      // What the platform alone makes of it.
      const tcp = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
      const hostname = id + ".relay-p2p.invalid";
      const tls = await Deno.startTls(tcp, { hostname, alpnProtocols: ["relay-p2p/1"] });
      const platform = await tls.handshake().then(() => "trusted", () => "refused");
      console.log(outcome, platform);
      Deno.exit();
      `,
    );
    const read = (name: string) => Deno.readTextFile(join(folder.path, name));
    await using server = await serveOpenssl({
      certificatePem: await read("leaf.pem"),
      privateKeyPem: await read("leaf.key"),
    });
    const { stdout } = await within(
      new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--allow-net", "--no-prompt"],
          ...[
            "--config",
            join(ROOT, "deno.json"),
            join(folder.path, "dial.ts"),
          ],
          ...[String(server.port), victim.id, victim.certificate.toBase64()],
        ],
        env: { DENO_CERT: join(folder.path, "ca.pem") },
      }).output(),
      "dialling",
    );
    assertEquals(
      new TextDecoder().decode(stdout),
      "identity_mismatch trusted\n",
      "the platform would trust it, and we do not",
    );
  },
);
