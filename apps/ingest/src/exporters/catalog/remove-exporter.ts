import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { GroupRegistry } from "../../streams/registry.ts";
import { type Exporter, groupOf } from "../exporter.ts";
import type { ExportersChange, ExportersStore } from "./exporters.store.ts";
import type { ParkedStore } from "./parked.store.ts";
import { registerExporter } from "./put-exporter.ts";

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
export function removeExporter(deps: RemoveExporter, name: string, isNow: boolean): Promise<Exporter | null> {
  return deps.exporters.change(async (change) => {
    const exporter = await requireOfApi(deps, name);
    if (!isNow) return drainExporter(deps, change, exporter);
    await forgetExporter(deps, change, name);
    return null;
  });
}

/** Lets an exporter export what has come by now, and nothing newer. */
export async function drainExporter(
  { registry }: Pick<RemoveExporter, "registry">,
  change: ExportersChange,
  exporter: Exporter,
): Promise<Exporter> {
  const draining: Exporter = { ...exporter, state: "draining", updatedAt: new Date().toISOString() };
  await change.put(draining);
  await unlessGone(registry.drain(groupOf(exporter.name)));
  return draining;
}

/** Takes away an exporter with its group and everything that it keeps. Can be repeated. */
async function forgetExporter(deps: RemoveExporter, change: ExportersChange, name: string): Promise<void> {
  const group = groupOf(name);
  await unlessGone(deps.registry.deregister(group));
  await deps.parked.destroy(group);
  await change.remove(name);
}

/** An exporter that was killed as it was set up has no group. */
async function unlessGone(changed: Promise<void>): Promise<void> {
  await changed.catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.reason !== "not_found") throw error;
  });
}

/**
 * Takes away the group of an exporter that is not set up: one was deleted while a process was about to have
 * events wait for it, or a deletion broke off. Nobody would read them, and nothing behind them be removed.
 */
export function forgetOrphan(deps: RemoveExporter, name: string): Promise<void> {
  return deps.exporters.change(async (change) => {
    if ((await deps.exporters.get(name)) === null) await forgetExporter(deps, change, name);
  });
}

/**
 * Brings an exporter's group to where its settings are, after a change that broke off between the two, and
 * takes away what a drained one has kept. What has changed since it was read stays.
 */
export function settleExporter(deps: RemoveExporter, name: string): Promise<void> {
  return deps.exporters.change(async (change) => {
    const exporter = await deps.exporters.get(name);
    if (exporter === null) return;
    const place = (await deps.registry.list()).find(({ group }) => group === groupOf(name));
    if (exporter.state === "running") await registerExporter(deps, exporter);
    else if (place?.state === "active") await drainExporter(deps, change, exporter);
    else if (place === undefined) await forgetExporter(deps, change, name);
  });
}

/**
 * Ends a tenant's own place in an exporter and gives up what is parked for it; from now on the tenant's
 * events go where those of all others go. Fails with `not_found` or `invalid_state`.
 */
export function removeTenantPlace(deps: RemoveExporter, name: string, tenantId: string): Promise<void> {
  if (!isId("ten", tenantId)) return Promise.reject(new DomainError("not_found"));
  return deps.exporters.change(async (change) => {
    const exporter = await requireOfApi(deps, name);
    const { settings } = exporter;
    const places = settings.tenants ?? {};
    const group = groupOf(name);
    const hasPlace = Object.hasOwn(places, tenantId);
    const isParked = (await deps.parked.sizes(group)).some((one) => one.tenantId === tenantId);
    if (!hasPlace && !isParked) throw new DomainError("not_found");
    const changed = structuredClone(settings);
    if (hasPlace && changed.kind !== "webhook") {
      delete changed.tenants?.[tenantId];
      await change.put({ ...exporter, settings: changed, updatedAt: new Date().toISOString() });
    }
    await deps.parked.drop(group, tenantId);
  });
}

async function requireOfApi(deps: RemoveExporter, name: string): Promise<Exporter> {
  const exporter = await deps.exporters.get(name);
  if (exporter === null) throw new DomainError("not_found");
  if (exporter.source === "file") {
    throw new DomainError("invalid_state", "The exporter stands in INGEST_EXPORTERS_FILE: change it there.");
  }
  return exporter;
}
