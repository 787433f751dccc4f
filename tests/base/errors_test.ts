import { assertEquals } from "@std/assert";
import {
  describeCause,
  EXIT_CODE,
  Failure,
  isBug,
  isDisconnect,
  ProtocolError,
} from "../../lib/base/errors.ts";

Deno.test("A failure is one line: what, where, why, what to do", () => {
  const failure = new Failure("relay", {
    what: "Cannot reach relay",
    where: "nas:1700",
    why: "connection refused",
    remedy: "start it",
  });
  assertEquals(
    failure.message,
    "Cannot reach relay (nas:1700): connection refused; start it",
  );
  assertEquals(failure.exitCode, 3);
  const bare = new Failure("local", { what: "Cannot x", why: "y" });
  assertEquals(bare.message, "Cannot x: y");
});

Deno.test("The exit codes are those that scripts rely on", () => {
  assertEquals(EXIT_CODE, {
    usage: 2,
    relay: 3,
    not_found: 4,
    undelivered: 5,
    corrupt: 6,
    not_allowed: 7,
    local: 8,
    interrupted: 130,
  });
});

Deno.test("describeCause never repeats the path of a system error", async () => {
  const path = "/no/such\x1b[2J/file";
  const error = await Deno.open(path).catch((error) => error);
  assertEquals(error.message.includes("\x1b"), true, "the system's text does");
  assertEquals(describeCause(error), "no such file or folder");
});

Deno.test("describeCause escapes text from a peer", () => {
  const error = new ProtocolError("wrong_phase", "refused: \x1b]0;x\x07");
  assertEquals(describeCause(error), "refused: \\x1b]0;x\\x07");
});

for (
  const [error, words] of [
    [
      Object.assign(new Error("x"), { code: "ENOSPC" }),
      "no space left on the disk",
    ],
    [
      Object.assign(new Error("x"), { code: "ECONNREFUSED" }),
      "connection refused",
    ],
    [
      new Error(
        "failed to lookup address information: Temporary failure in name resolution",
      ),
      "its name could not be looked up: no network or no DNS server",
    ],
    [
      Object.assign(new Error("x"), { code: "EAI_AGAIN" }),
      "its name could not be looked up: no network or no DNS server",
    ],
    [new Deno.errors.AddrInUse("x"), "the port is in use by another program"],
    [
      new Deno.errors.NotCapable("x"),
      "Deno did not give this process the permission",
    ],
    [new ProtocolError("idle", "words"), "words"],
    [new Error("secret"), "Error"],
    ["thrown text", "unknown error"],
  ] as const
) {
  Deno.test(`describeCause says ${words}, for ${error}`, () => {
    assertEquals(describeCause(error), words);
  });
}

Deno.test("A disconnect is no bug, and a bug no disconnect", () => {
  const reset = Object.assign(new Error("x"), { code: "ECONNRESET" });
  for (const error of [reset, new Deno.errors.BrokenPipe("x")]) {
    assertEquals([isDisconnect(error), isBug(error)], [true, false]);
  }
  for (const error of [new TypeError("x"), new RangeError("x")]) {
    assertEquals([isDisconnect(error), isBug(error)], [false, true]);
  }
});
