import { unavailable } from "@payflow/contracts/errors.ts";

/** What one body holds of the process's memory. */
export interface Hold {
  readonly bytes: number;
  /** Takes more; throws `unavailable` where there is no room, and what was taken before stays taken. */
  take(bytes: number): void;
  /** Gives all of it back. */
  release(): void;
}

/**
 * Bounds the bytes of bodies that a process has in its hands, from their announcement to the answer, as they
 * came and decompressed. One tenant's may be half of them: whoever sends slowly fills no more than that.
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

  hold(tenantId: string): Hold {
    let held = 0;
    return {
      get bytes() {
        return held;
      },
      take: (bytes) => {
        const ofTenant = (this.#ofTenants.get(tenantId) ?? 0) + bytes;
        if (this.#bytes + bytes > this.#most || ofTenant > this.#most / 2) {
          throw unavailable("Room for another body");
        }
        this.#bytes += bytes;
        this.#ofTenants.set(tenantId, ofTenant);
        held += bytes;
      },
      release: () => {
        this.#bytes -= held;
        const rest = (this.#ofTenants.get(tenantId) ?? 0) - held;
        if (rest > 0) this.#ofTenants.set(tenantId, rest);
        else this.#ofTenants.delete(tenantId);
        held = 0;
      },
    };
  }
}
