/**
 * Checks the certificate of a gateway, and its key, before clients would.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { Failure } from "../base/errors.ts";
import type { WebCertificate } from "../transport/accept.ts";

/**
 * Checks that both can be read, and are a pair.
 *
 * @throws {Failure} of kind `usage` if not.
 */
export function checkCertificate(
  { certificate, key }: WebCertificate,
): void {
  const first = attempt("certificate", () => new X509Certificate(certificate));
  const second = attempt("key", () => createPrivateKey(key));
  if (first.checkPrivateKey(second)) return;
  throw new Failure("usage", {
    what: "Cannot use certificate",
    why: "the key belongs to another certificate",
    remedy: "give the key of this certificate",
  });
}

function attempt<T>(what: "certificate" | "key", read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Failure("usage", {
      what: `Cannot use ${what}`,
      why: "it is not in PEM form",
      remedy: `give a ${what} that begins with -----BEGIN, without a password`,
      cause,
    });
  }
}
