import type { ParkedOfTenant } from "./parked.store.ts";

/** What parkings may take of the memory for streams: one tenant's, and all tenants' together. */
const tenantShare = 0.05;
const totalShare = 0.2;

/**
 * The tenants of which as much is parked as may be: their events are refused until there is room again. When
 * all parkings together are too large, that is every tenant of which anything is parked.
 */
export function fullParkings(parked: readonly ParkedOfTenant[], memoryBytes: number): string[] {
  const bytes = new Map<string, number>();
  for (const one of parked) bytes.set(one.tenantId, (bytes.get(one.tenantId) ?? 0) + one.bytes);
  const total = [...bytes.values()].reduce((sum, one) => sum + one, 0);
  const most = total >= totalShare * memoryBytes ? 1 : tenantShare * memoryBytes;
  return [...bytes].filter(([, one]) => one >= most).map(([tenantId]) => tenantId);
}
