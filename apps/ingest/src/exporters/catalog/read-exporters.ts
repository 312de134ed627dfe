import { DomainError } from "@payflow/contracts/errors.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { groupLag, readStates } from "@payflow/service-kit/streams/lag.ts";
import { type Exporter, groupOf } from "../exporter.ts";
import { type ExporterResponse, type ExporterStanding, toExporter } from "./exporters.contract.ts";
import type { ExportersStore } from "./exporters.store.ts";
import type { ParkedStore } from "./parked.store.ts";

export interface ReadExporters {
  readonly exporters: ExportersStore;
  readonly parked: ParkedStore;
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
}

/** All exporters in the order of their names, each with how it stands. */
export async function listExporters(deps: ReadExporters): Promise<ExporterResponse[]> {
  return withStandings(deps, await deps.exporters.list());
}

/** One exporter. Fails with `not_found`. */
export async function readExporter(deps: ReadExporters, name: string): Promise<ExporterResponse> {
  const exporter = await deps.exporters.get(name);
  const [found] = exporter === null ? [] : await withStandings(deps, [exporter]);
  if (found === undefined) throw new DomainError("not_found");
  return found;
}

async function withStandings(
  deps: ReadExporters,
  exporters: readonly Exporter[],
): Promise<ExporterResponse[]> {
  const groups = exporters.map(({ name }) => groupOf(name));
  const states = await readStates(deps.redis, deps.keys, deps.partitions, groups);
  return Promise.all(
    exporters.map(async (exporter) => {
      const group = groupOf(exporter.name);
      const [parked, troubles] = await Promise.all([
        deps.parked.sizes(group),
        deps.exporters.troubles(exporter.name),
      ]);
      const standing: ExporterStanding = { lag: groupLag(states, group), parked, troubles };
      return toExporter(exporter, standing);
    }),
  );
}
