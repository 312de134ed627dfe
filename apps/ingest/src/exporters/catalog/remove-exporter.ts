import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { GroupRegistry } from "../../streams/registry.ts";
import { type Exporter, groupOf } from "../exporter.ts";
import type { ExportersStore } from "./exporters.store.ts";
import type { ParkedStore } from "./parked.store.ts";

export interface RemoveExporter {
  readonly exporters: ExportersStore;
  readonly registry: GroupRegistry;
  readonly parked: ParkedStore;
}

/**
 * Ends an exporter: it exports what has come by now, and then goes with what is parked in it; with `isNow` it
 * goes at once. Answers the exporter as it drains, or null once it is gone. Fails with `not_found` or
 * `invalid_state`.
 */
export async function removeExporter(
  deps: RemoveExporter,
  name: string,
  isNow: boolean,
): Promise<Exporter | null> {
  const exporter = await requireOfApi(deps, name);
  if (isNow) {
    await forgetExporter(deps, name);
    return null;
  }
  const draining: Exporter = { ...exporter, state: "draining", updatedAt: new Date().toISOString() };
  await deps.exporters.put(draining);
  await deps.registry.drain(groupOf(name));
  return draining;
}

/** Takes away an exporter with its group and everything that it keeps. Can be repeated. */
async function forgetExporter(deps: RemoveExporter, name: string): Promise<void> {
  const group = groupOf(name);
  await deps.registry.deregister(group).catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.reason !== "not_found") throw error;
  });
  await deps.parked.destroy(group);
  await deps.exporters.remove(name);
}

/**
 * Takes away the group of an exporter that is not set up: one was deleted while a process was about to have
 * events wait for it, or a deletion broke off. Nobody would read them, and nothing behind them be removed.
 */
export async function forgetOrphan(deps: RemoveExporter, name: string): Promise<void> {
  // Settings are stored before their group is made, so that those of a group seen before are there by now.
  if ((await deps.exporters.get(name)) === null) await forgetExporter(deps, name);
}

/**
 * Ends a tenant's own place in an exporter and gives up what is parked for it; from now on the tenant's
 * events go where those of all others go. Fails with `not_found` or `invalid_state`.
 */
export async function removeTenantPlace(deps: RemoveExporter, name: string, tenantId: string): Promise<void> {
  if (!isId("ten", tenantId)) throw new DomainError("not_found");
  const exporter = await requireOfApi(deps, name);
  const { settings } = exporter;
  const places = "tenants" in settings ? (settings.tenants ?? {}) : {};
  const group = groupOf(name);
  const hasPlace = Object.hasOwn(places, tenantId);
  const isParked = (await deps.parked.sizes(group)).some((one) => one.tenantId === tenantId);
  if (!hasPlace && !isParked) throw new DomainError("not_found");
  const changed = structuredClone(settings);
  if (hasPlace && "tenants" in changed) {
    delete changed.tenants?.[tenantId];
    await deps.exporters.put({ ...exporter, settings: changed, updatedAt: new Date().toISOString() });
  }
  await deps.parked.drop(group, tenantId);
}

async function requireOfApi(deps: RemoveExporter, name: string): Promise<Exporter> {
  const exporter = await deps.exporters.get(name);
  if (exporter === null) throw new DomainError("not_found");
  if (exporter.source === "file") {
    throw new DomainError("invalid_state", "The exporter stands in INGEST_EXPORTERS_FILE: change it there.");
  }
  return exporter;
}
