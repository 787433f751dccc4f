/** The container, without pulling an image. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { PROTOCOL_VERSION } from "../../../lib/base/version.ts";
import { ROOT } from "../../e2e/_processes.ts";
import { tempShare } from "../../_temp_share.ts";
import { readPackaging } from "../../_units.ts";

Deno.test("The container has the Deno version of CI, and copies the files that the programs need", async () => {
  const lines = (await readPackaging("Containerfile")).replaceAll(
    /\\\n\s*/g,
    "",
  )
    .split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => /^([A-Z]+) (.+)$/.exec(line) ?? [line, "", ""]);
  const known = [
    ...["FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE"],
    ...["STOPSIGNAL", "ENTRYPOINT", "CMD"],
  ];
  assertEquals(lines.filter(([, word = ""]) => !known.includes(word)), []);
  const valuesOf = (word: string) =>
    lines.filter(([, found]) => found === word).map(([, , value = ""]) =>
      value
    );
  const ci = await Deno.readTextFile(join(ROOT, ".ci/run"));
  const [, version] = /deno@(\d+\.\d+\.\d+)/.exec(ci) ?? [];
  assertEquals(valuesOf("FROM"), [`docker.io/denoland/deno:${version}`]);
  const copied = valuesOf("COPY").flatMap((value) =>
    value.split(" ").slice(0, -1)
  );
  for (const path of copied) await Deno.stat(join(ROOT, path));
  // Runs from just these, with the entry point's own flags but the folders.
  await using folder = await tempShare();
  for (const path of copied) {
    const { code } = await new Deno.Command("cp", {
      args: ["-r", join(ROOT, path), folder.path],
    }).output();
    assertEquals(code, 0);
  }
  const [command = "", ...flags] = JSON.parse(valuesOf("ENTRYPOINT")[0]!);
  assertEquals(command, "deno");
  assertEquals(JSON.parse(valuesOf("CMD")[0]!)[0], "relay.ts");
  for (const script of copied.filter((path) => path.endsWith(".ts"))) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [...flags, script, "--version"],
      cwd: folder.path,
      env: { NO_COLOR: "1" },
    }).output();
    const [, , words] = /^(relay-p2p \S+), (protocol \d+)\n$/
      .exec(new TextDecoder().decode(stdout)) ?? [];
    assertEquals(words, `protocol ${PROTOCOL_VERSION}`, script);
  }
});
