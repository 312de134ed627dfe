import type { TenantContext } from "@payflow/contracts/access.ts";
import { orStreamsUnavailable, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { groupLag, readStates } from "@payflow/service-kit/streams/lag.ts";
import { monthOf } from "../../quotas/month.ts";
import type { StoragePressure } from "../pressure.ts";
import type { GroupRegistry, RegisteredGroup } from "../registry.ts";
import type { AllStreamsResponse, TenantStreamsResponse } from "./streams.contract.ts";
import { createStreamsStore, type StreamsStore } from "./streams.store.ts";

export interface ReadStreams {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly registry: GroupRegistry;
  readonly streams: StreamsStore;
  readonly pressure: StoragePressure;
}

/** What is read of the streams in this Redis. */
export function openStreams(redis: StreamsRedis, keys: StreamKeys, partitions: number): StreamsStore {
  return createStreamsStore(redis, keys, partitions);
}

/** Groups that carry events out of ingest: neither what only counts them nor programs that are not ours. */
const isExporter = ({ kind }: RegisteredGroup) => kind !== "outside" && kind !== "insights";

/**
 * What became of a tenant's events in the key's mode: exported are those that every exporter is done with.
 */
export function readTenantStreams(
  deps: ReadStreams,
  { tenantId, mode }: TenantContext,
): Promise<TenantStreamsResponse> {
  const { redis, keys, partitions, registry, streams } = deps;
  const owner = { tenantId, mode };
  return orStreamsUnavailable(async () => {
    const groups = (await registry.list()).filter(isExporter).map((one) => one.group);
    const nowMs = await streams.nowMs();
    const months = monthsBetween((await streams.firstMonth()) ?? monthOf(nowMs), monthOf(nowMs));
    const [accepted, dead, exported, states] = await Promise.all([
      streams.accepted(owner, months),
      streams.dead(owner),
      Promise.all(groups.map((group) => streams.exported(owner, group))),
      readStates(redis, keys, partitions, groups),
    ]);
    const oldest = await Promise.all(
      groups.flatMap((group) => states.map((state) => streams.oldestUnexportedMs(owner, group, state))),
    );
    const oldestMs = Math.min(...oldest);
    return {
      tenant_id: tenantId,
      mode,
      accepted,
      exported: groups.length === 0 ? 0 : Math.min(...exported),
      dead,
      oldest_unexported_seconds: Number.isFinite(oldestMs) ? Math.max(nowMs - oldestMs, 0) / 1_000 : null,
    };
  });
}

/** The shared streams and their groups. */
export function readAllStreams(deps: ReadStreams): Promise<AllStreamsResponse> {
  const { redis, keys, partitions, registry, streams, pressure } = deps;
  return orStreamsUnavailable(async () => {
    const places = await registry.list();
    const names = places.map((place) => place.group);
    const [states, dead] = await Promise.all([readStates(redis, keys, partitions, names), streams.letters()]);
    return {
      pressure: pressure.level,
      memory_ratio: pressure.memory,
      length: states.reduce((sum, state) => sum + state.length, 0),
      added: states.reduce((sum, state) => sum + state.added, 0),
      dead: dead.reduce((sum, count) => sum + count, 0),
      groups: places.map(({ group, kind, state, start, since }) => {
        const { events, seconds } = groupLag(states, group);
        const pending = states.flatMap((one) => one.groups).filter((one) => one.group === group);
        return {
          ...{ group, kind, state, start: start === "$" ? ("newest" as const) : ("oldest" as const) },
          // A program that registered its group by itself need not have said when.
          since: since === "" ? null : since,
          lag_events: events,
          lag_seconds: seconds,
          pending: pending.reduce((sum, one) => sum + one.pending, 0),
        };
      }),
      partitions: states.map((state) => ({
        partition: state.partition,
        length: state.length,
        added: state.added,
        dead: dead[state.partition] ?? 0,
        oldest_id: state.oldestId,
        newest_id: state.lastId,
      })),
    };
  });
}

/** Calendar months from one to another, as 2026-11. */
function monthsBetween(first: string, last: string): string[] {
  const months: string[] = [];
  for (const month = new Date(`${first}-01T00:00:00Z`); ; month.setUTCMonth(month.getUTCMonth() + 1)) {
    const name = monthOf(month.getTime());
    if (name > last) return months;
    months.push(name);
  }
}
