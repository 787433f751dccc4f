/** A picker in a program that fails while it is open: `throw`, `reject`, `exit`. */

import { pickFile } from "../../lib/cli/picker/pick.ts";
import { Input } from "../../lib/cli/output/streams.ts";
import { Terminal } from "../../lib/cli/output/terminal.ts";
import { filesOf } from "../cli/_picker_files.ts";

const FAIL: Readonly<Record<string, () => void>> = {
  throw: () => {
    throw new Error("a bug");
  },
  reject: () => void Promise.reject(new Error("a bug")),
  exit: () => Deno.exit(3),
};

const terminal = new Terminal({ json: false, quiet: false, debug: false });
const drawn = terminal.draw.bind(terminal);
terminal.draw = (text) => {
  drawn(text);
  if (text.includes("a.txt")) setTimeout(FAIL[Deno.args[0] ?? ""]!, 0);
};
await pickFile(filesOf("a.txt"), {
  terminal,
  input: new Input(),
  signal: new AbortController().signal,
  nodeCount: 1,
});
