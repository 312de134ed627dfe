import type { AcceptedEvent } from "../../events/event.ts";

const digest = Buffer.alloc(32);

/**
 * Writes 8 bytes that stand for an event's id within its tenant, mode and merchant. Without the key nobody
 * can look for two ids with one fingerprint: only a part of the hash is ever compared, so a key in front is
 * enough.
 */
export function writeFingerprint(key: string, event: AcceptedEvent, into: Buffer, at: number): void {
  // No text of an event holds the NUL that ends the merchant.
  Bun.SHA256.hash(`${key}${event.tenantId}/${event.mode}/${event.merchant}\0${event.scopeId}`, digest);
  digest.copy(into, at, 0, 8);
}
