/**
 * The events of a node's registration.
 *
 * @module
 */

import type { Failure } from "../base/errors.ts";

/** Events of a registrar. */
export type RegistrarEvent =
  /** The relay lists the node, for the first time or again. */
  | { event: "registered"; relay: string; leaseSeconds: number }
  /** The node renewed its lease. */
  | { event: "renewed"; relay: string; leaseSeconds: number }
  /**
   * The relay does not list the node, which tries again. Reported once for each
   * cause.
   */
  | { event: "registration_failed"; relay: string; error: Failure }
  /** Clients can reach the node through the relay. */
  | { event: "attached"; relay: string; why: AttachReason }
  /** Clients can no longer reach the node through the relay. */
  | { event: "detached"; relay: string; why: "reachable" | "lost" }
  /** The node needs tunnels, and the relay offers none. */
  | { event: "no_tunnels"; relay: string }
  /**
   * The relay requires a later version of this program. The node stops trying.
   */
  | { event: "outdated"; relay: string; error: Failure }
  /** The relay refuses the node permanently. The node stops trying. */
  | { event: "turned_away"; relay: string; error: Failure }
  /** The node withdrew, and is no longer listed. */
  | { event: "withdrawn"; relay: string }
  /** The node could not withdraw; its lease will expire. */
  | { event: "withdraw_failed"; relay: string; error: Failure };

/**
 * Why a node attaches: an option says so, the relay cannot dial it, or it is
 * not known whether the relay can.
 */
export type AttachReason = "forced" | "unreachable" | "unchecked";
