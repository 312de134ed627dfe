export type StreamKeys = ReturnType<typeof streamKeys>;

/**
 * The names of everything the event streams keep in Redis; public, described in docs/guides/event-streams.md.
 * What stands between braces decides the slot of a Redis Cluster: a partition's keys lie together, and so do
 * a tenant's, so that one script can change them as one step.
 */
export function streamKeys(prefix: string) {
  const of = (partition: number, name: string) => `${prefix}:{${partition}}:${name}`;
  const shared = (name: string) => `${prefix}:{shared}:${name}`;
  const ofTenant = (tenantId: string, name: string) => `${prefix}:{${tenantId}}:${name}`;
  return {
    /** Stream: the partition's events. */
    events: (partition: number) => of(partition, "events"),
    /** Hash: `tenant/mode/merchant` -> the last sequence number given to it. */
    sequences: (partition: number) => of(partition, "sequences"),
    /** Begins the names of the ids that are remembered. */
    seen: (partition: number) => of(partition, "seen"),
    /**
     * Hash: `tenant/mode` -> events stored in this month, written as 2026-11, and `tenant/mode/platform` ->
     * those of them that are the platform's own.
     */
    usage: (partition: number, month: string) => of(partition, `usage:${month}`),
    /** Hash: `tenant/mode` -> a group's acknowledged events. */
    exported: (partition: number, group: string) => of(partition, `exported:${group}`),
    /** Text: fence, end in milliseconds and holder of a group's lease of the partition. */
    lease: (partition: number, group: string) => of(partition, `lease:${group}`),
    /** Hash: entry id -> what is known of its failures in a group. */
    failures: (partition: number, group: string) => of(partition, `failures:${group}`),
    /** Hash: entry id -> nothing, for entries done ahead of a group's position; `step` -> the last step. */
    ahead: (partition: number, group: string) => of(partition, `ahead:${group}`),
    /** Stream: entries that a group could not handle. */
    dead: (partition: number) => of(partition, "dead"),
    /** Sorted set: a tenant's dead letters in one mode, by their ids with leading zeros. */
    deadOf: (partition: number, tenantId: string, mode: string) => of(partition, `dead:${tenantId}/${mode}`),
    /** Text: the id of the last entry that the insights have counted. */
    insightsPosition: (partition: number) => of(partition, "insights:position"),
    /** Hash: `tenant/mode` -> what arrived in one minute since 1970. */
    insightsMinute: (partition: number, minute: number) => of(partition, `insights:${minute}`),
    /** Stream: a tenant's entries that wait for the tenant's own target in a group. */
    parked: (partition: number, group: string, tenant: string) => of(partition, `parked:${group}:${tenant}`),
    /** Hash: `tenant/events` and `tenant/bytes` -> how much of a tenant's is parked in a group. */
    parkedSizes: (partition: number, group: string) => of(partition, `parked-sizes:${group}`),
    /** Hash: place of an exporter's files -> the rows of the file being written there, as JSON. */
    boundaries: (partition: number, group: string) => of(partition, `boundaries:${group}`),
    /** Hash: what was decided when the streams were made, such as their number. */
    plan: () => shared("plan"),
    /** Hash: group -> its place in the registry, as JSON. */
    groups: () => shared("groups"),
    /** Text: who changes the registry's groups, or the exporters, while that lasts. */
    change: (of: "groups" | "exporters") => shared(`${of}-change`),
    /** Sorted set: the replicas that read for a group, by the end of their membership. */
    members: (group: string) => shared(`members:${group}`),
    /** Text: the process that trims for all, while it lasts. */
    upkeep: () => shared("upkeep"),
    /** Hash: exporter -> its settings, as JSON. */
    exporters: () => shared("exporters"),
    /** Hash: tenant, or nothing for all -> what an exporter waits for, as JSON. */
    exporterTroubles: (exporter: string) => shared(`exporter-troubles:${exporter}`),
    /** Set: the tenants of which as much is parked as may be. It ends by itself when nobody renews it. */
    fullParkings: () => shared("full-parkings"),
    /** Text: the first minute since 1970 that is not part of the tenants' figures yet. */
    insightsRolled: () => shared("insights:rolled"),
    /**
     * Sorted set: `tenant/mode` with a processor in trouble or a change to tell, by the minute of its
     * judgement.
     */
    insightsWatched: () => shared("insights:watched"),
    /** Set: the merchants of a tenant. */
    merchants: (tenantId: string) => ofTenant(tenantId, "merchants"),
    /** Hash: what a tenant has taken of its allowance of a month. */
    allowance: (tenantId: string, month: string) => ofTenant(tenantId, `allowance:${month}`),
    /** Hash: a tenant's figures of processors in one mode, by record, and these processors' health. */
    insights: (tenantId: string, mode: string) => ofTenant(tenantId, `insights:${mode}`),
  };
}

/** The key of a merchant's order: its events have one partition and one sequence. */
export function merchantKey(tenantId: string, mode: string, merchant: string): string {
  return `${tenantId}/${mode}/${merchant}`;
}

/** The partition of a merchant: CRC-32 of its key's UTF-8 bytes, the same in every process and version. */
export function partitionOf(key: string, partitions: number): number {
  return Bun.hash.crc32(key) % partitions;
}
