import { unavailable } from "@payflow/contracts/errors.ts";

/**
 * Bounds the bytes of bodies that a process has in its hands, from their announcement to the answer, sent
 * and decompressed. One tenant's may be half of them: whoever sends slowly fills no more than that.
 */
export class BytesInFlight {
  readonly #most: number;
  readonly #ofTenants = new Map<string, number>();
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Begins with a body of a tenant's. */
  hold(tenantId: string): Hold {
    return new Hold(this, tenantId);
  }

  /** For holds: takes room; throws `unavailable` where there is none, and has taken nothing then. */
  take(tenantId: string, bytes: number): void {
    const ofTenant = (this.#ofTenants.get(tenantId) ?? 0) + bytes;
    if (this.#bytes + bytes > this.#most || ofTenant > this.#most / 2) {
      throw unavailable("Room for another body");
    }
    this.#bytes += bytes;
    this.#ofTenants.set(tenantId, ofTenant);
  }

  /** For holds: gives room back. */
  give(tenantId: string, bytes: number): void {
    this.#bytes -= bytes;
    const rest = (this.#ofTenants.get(tenantId) ?? 0) - bytes;
    if (rest > 0) this.#ofTenants.set(tenantId, rest);
    else this.#ofTenants.delete(tenantId);
  }
}

/** What one body holds of the process's memory. */
export class Hold {
  readonly #inFlight: BytesInFlight;
  readonly #tenantId: string;
  #bytes = 0;

  constructor(inFlight: BytesInFlight, tenantId: string) {
    this.#inFlight = inFlight;
    this.#tenantId = tenantId;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes more; throws `unavailable` where there is no room, and what was taken before stays taken. */
  take(bytes: number): void {
    this.#inFlight.take(this.#tenantId, bytes);
    this.#bytes += bytes;
  }

  /** Gives all of it back. */
  release(): void {
    this.#inFlight.give(this.#tenantId, this.#bytes);
    this.#bytes = 0;
  }
}
