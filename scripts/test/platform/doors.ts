import { expect } from "bun:test";
import type { Replicas } from "./replicas.ts";

/** A route that any key with all scopes may use, at one replica. */
interface Door {
  readonly name: string;
  readonly url: string;
  /** Posted, another each time; left out where the route is read. */
  readonly event?: () => Record<string, unknown>;
}

/** What a door answered to a request that was sent at this moment (`performance.now()`). */
interface Seen {
  readonly door: string;
  readonly sentAtMs: number;
  readonly status: number;
  readonly policy: string | null;
}

const paths = {
  tenant: "/tenants/me",
  payment: "/payments?limit=1",
  ledger: "/ledger/accounts",
  fraud: "/fraud/policy",
  notifier: "/webhook-endpoints?limit=1",
  ingest: "/v1/usage",
};

/** An event that ingest takes, another each time. */
export const sampleEvent = () => ({
  event_type: "payment_failed",
  event_timestamp: new Date().toISOString(),
  event_id: crypto.randomUUID(),
  merchant_id_hash: "merchant",
  payment_intent_id_hash: "intent",
  processor: "stripe",
});

/** The contract's bound for a change of a key, a tenant or a limit to count everywhere. */
const boundMs = 1_000;
/** How long it is watched that what was refused stays refused. */
const watchedMs = 700;

/** Every replica of every app. */
export function allDoors(replicas: Replicas): readonly Door[] {
  return [...requestDoors(replicas), ...eventDoors(replicas)];
}

/** Those whose answers are counted as requests. */
export function requestDoors({ publicUrl }: Replicas): readonly Door[] {
  return Object.entries(paths).flatMap(([app, path]) =>
    [1, 2].map((replica) => ({ name: `${app}-${replica}`, url: publicUrl(app, replica) + path })),
  );
}

/** Those whose answers are counted as events. */
export function eventDoors({ publicUrl }: Replicas): readonly Door[] {
  return [1, 2].map((replica) => {
    const url = `${publicUrl("ingest", replica)}/v1/events/payment_exhaust`;
    return { name: `ingest-${replica} events`, url, event: sampleEvent };
  });
}

/** Asks one door with a key; status 200 for all that is granted, 0 where nobody answers. */
export async function ask(door: Door, key: string): Promise<Seen> {
  const sentAtMs = performance.now();
  try {
    const sent = door.event === undefined ? {} : { method: "POST", body: JSON.stringify(door.event()) };
    const response = await fetch(door.url, {
      headers: { "x-api-key": key, "content-type": "application/json" },
      signal: AbortSignal.timeout(5_000),
      ...sent,
    });
    await response.arrayBuffer();
    const policy = response.headers.get("ratelimit-policy");
    return { door: door.name, sentAtMs, status: response.ok ? 200 : response.status, policy };
  } catch {
    return { door: door.name, sentAtMs, status: 0, policy: null };
  }
}

/** Waits until every door answers the key with this status. */
export async function everywhere(doors: readonly Door[], key: string, status: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (const door of doors) {
    for (;;) {
      const seen = await ask(door, key);
      if (seen.status === status) break;
      if (performance.now() > deadline) expect([door.name, seen.status]).toEqual([door.name, status]);
      await Bun.sleep(50);
    }
  }
}

/**
 * Keeps asking every door, from before a change until well after its bound, and asserts that no request sent
 * later than the bound after the change was answered as before. `change` returns once the change is
 * committed.
 */
export async function countsWithinBound(
  doors: readonly Door[],
  key: string,
  change: () => Promise<unknown>,
  isAsBefore: (seen: Seen) => boolean = ({ status }) => status === 200,
): Promise<readonly Seen[]> {
  await everywhere(doors, key, 200);
  const seen: Seen[] = [];
  let isDone = false;
  const askers = doors.map(async (door) => {
    while (!isDone) {
      seen.push(await ask(door, key));
      await Bun.sleep(30);
    }
  });
  try {
    await change();
    const changedAtMs = performance.now();
    await Bun.sleep(boundMs + watchedMs);
    isDone = true;
    await Promise.all(askers);
    const late = seen.filter(({ sentAtMs }) => sentAtMs > changedAtMs + boundMs);
    expect(late.filter(isAsBefore)).toEqual([]);
    expect([...new Set(late.map(({ door }) => door))].sort()).toEqual(doors.map(({ name }) => name).sort());
    return late;
  } finally {
    isDone = true;
    await Promise.all(askers);
  }
}
