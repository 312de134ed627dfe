import { memoryLimitBytes } from "@payflow/service-kit/store/redis-memory.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { GroupRegistry } from "../../streams/registry.ts";
import { groupOf } from "../exporter.ts";
import type { ExportersRoutes } from "./exporters.routes.ts";
import { createExportersStore, type Trouble } from "./exporters.store.ts";
import { applyExportersFile, readExportersFile } from "./exporters-file.ts";
import { fullParkings } from "./full-parkings.ts";
import { createParkedStore, type ParkedOfTenant } from "./parked.store.ts";
import { forgetOrphan, settleExporter } from "./remove-exporter.ts";
import { createSeal } from "./seal.ts";

export interface CatalogOptions {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly registry: GroupRegistry;
  readonly settings: {
    readonly INTERNAL_SERVICE_SECRET: string;
    readonly INGEST_EXPORT_FOLDER?: string;
    readonly INGEST_EXPORTERS_FILE?: string;
  };
  readonly logger: Logger;
}

/** For so long a parking that is found full counts as full. */
const fullMs = 10_000;

export type ExporterCatalog = ReturnType<typeof openCatalog>;

/**
 * The exporters that are set up, for admins' routes and for the processes that run them. Throws `ConfigError`
 * when the file of exporters is wrong.
 */
export function openCatalog(options: CatalogOptions) {
  const { redis, keys, partitions, registry, settings, logger } = options;
  const seal = createSeal(settings.INTERNAL_SERVICE_SECRET);
  const exporters = createExportersStore({ redis, keys, seal, logger });
  const parked = createParkedStore(redis, keys, partitions);
  const hasFolder = settings.INGEST_EXPORT_FOLDER !== undefined;
  const path = settings.INGEST_EXPORTERS_FILE;
  let file = path === undefined ? null : readExportersFile(path, hasFolder);
  const routes: ExportersRoutes = { exporters, parked, registry, redis, keys, partitions, hasFolder };
  return {
    routes,

    /** Sets up what stands in the file, once; what is refused is tried again with the next call. */
    async applyFile(): Promise<void> {
      const refused = file === null ? [] : await applyExportersFile(routes, file);
      if (refused.length === 0) file = null;
      for (const { name, error } of refused) {
        const about = { exporter: name, err: error };
        logger.warn(about, "an exporter of INGEST_EXPORTERS_FILE cannot be set up");
      }
    },

    list: () => exporters.list(),

    /** Has events wait for an exporter, or drains it, as it is set up; takes away one that has drained. */
    settle: (name: string) => settleExporter(routes, name),

    /** Takes away what an exporter that is not set up has left. */
    forgetOrphan: (name: string) => forgetOrphan(routes, name),

    setTrouble: (name: string, tenantId: string, trouble: Trouble | null) =>
      exporters.setTrouble(name, tenantId, trouble),

    /**
     * Tells where as much is parked as may be, so that no more of those tenants' events are taken; returns
     * what is parked in each exporter.
     */
    async watchParkings(): Promise<ReadonlyMap<string, readonly ParkedOfTenant[]>> {
      const found = new Map<string, readonly ParkedOfTenant[]>();
      for (const { name } of await exporters.list()) found.set(name, await parked.sizes(groupOf(name)));
      const all = [...found.values()].flat();
      await parked.setFull(all.length === 0 ? [] : fullParkings(all, await memoryLimitBytes(redis)), fullMs);
      return found;
    },
  };
}
