import type { AcceptedEvent } from "../../events/event.ts";

/** What is remembered of an event. */
export interface Fingerprints {
  /** 32 bits that spread ids over buckets. */
  readonly spread: number;
  /** 53 bits of the event's id within its tenant, mode and merchant, as a decimal number. */
  readonly id: string;
  /** 53 bits of the same id with the event's body, as a decimal number. */
  readonly whole: string;
}

const digest = Buffer.alloc(32);

/**
 * What stands for an event's id, and for the id with the body. Without the key nobody can look for two ids
 * with one fingerprint: only a part of the hash is ever compared, so a key in front is enough.
 */
export function fingerprintsOf(key: string, event: AcceptedEvent): Fingerprints {
  // No text of an event holds the NUL that ends the merchant.
  Bun.SHA256.hash(`${key}${event.tenantId}/${event.mode}/${event.merchant}\0${event.scopeId}`, digest);
  return {
    spread: digest.readUInt32BE(0),
    id: `${bits53(digest.readUInt32BE(4), digest.readUInt32BE(8))}`,
    whole: `${bits53(digest.readUInt32BE(12), digest.readUInt32BE(16) ^ event.bodyHash)}`,
  };
}

function bits53(high: number, low: number): number {
  return (high & 0x1f_ffff) * 2 ** 32 + (low >>> 0);
}
