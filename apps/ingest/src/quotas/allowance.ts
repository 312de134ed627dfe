import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError, unavailable } from "@payflow/contracts/errors.ts";
import { coalesce } from "@payflow/service-kit/concurrency/coalesce.ts";
import { orUnavailable } from "@payflow/service-kit/store/redis.ts";
import type { AllowanceStore, Wish } from "./allowance.store.ts";
import { monthOf, nextMonth } from "./month.ts";

/** Events that a request may store. */
export interface Reservation {
  /** Gives back what was not stored. */
  settle(stored: number): Promise<void>;
}

/** Keeps tenants within their monthly events. */
export interface Allowance {
  /**
   * Reserves events of the month, all of them or none; null for a tenant without a limit. Throws
   * `allowance_exhausted`, and `unavailable` while Redis is away.
   */
  reserve(tenant: TenantContext, events: number): Promise<Reservation> | null;
}

const counted = "The count of the month's events";

interface Request {
  readonly tenantId: string;
  readonly month: string;
  readonly allowance: number;
  readonly wish: Wish;
}

/** The round in which the events were reserved; null where they were not. */
type Answer = number | null;

/**
 * Allowances are reserved before events are stored, and what was not stored is given back: what is taken
 * never lies below what is stored. What a crash left reserved is found when nothing was reserved for a
 * while, which is so at the latest once all of it is taken: then the events stored are counted anew.
 */
export function createAllowance(store: AllowanceStore, now: () => number): Allowance {
  const take = coalesce<Request, Answer>({
    maxBatch: 500,
    maxInFlight: 4,
    isOutage: () => true,
    run: (requests) => takeAll(store, requests),
  });
  const ask = (request: Request) => orUnavailable(counted, () => take(request));
  return {
    reserve({ tenantId, limits: { monthly_events: allowance } }, events) {
      if (allowance === null || events === 0) return null;
      const request = { tenantId, allowance, month: monthOf(now()) };
      return ask({ ...request, wish: { events, round: 0 } }).then((round) => {
        if (round === null) throw exhausted(allowance, now());
        return {
          async settle(stored) {
            if (stored === events) return;
            // What cannot be given back now is found when the events are counted anew.
            await ask({ ...request, wish: { events: stored - events, round } }).catch(() => {});
          },
        };
      });
    },
  };
}

/** Rounds of counting anew before a request is told to come back: each loses to a change meanwhile. */
const maxCounts = 5;

async function takeAll(store: AllowanceStore, requests: readonly Request[]): Promise<Answer[]> {
  const answers = new Map<Request, Answer>();
  await Promise.all(
    [...Map.groupBy(requests, placeOf).values()].map(async (group) => {
      for (const [index, answer] of (await takeFor(store, group)).entries()) {
        const request = group[index];
        if (request !== undefined) answers.set(request, answer);
      }
    }),
  );
  return requests.map((request) => answers.get(request) ?? null);
}

const placeOf = ({ tenantId, month, allowance }: Request) => `${tenantId}/${month}/${allowance}`;

/** Takes for requests of one tenant, month and allowance, in their order. */
async function takeFor(store: AllowanceStore, requests: readonly Request[]): Promise<Answer[]> {
  const [first] = requests;
  if (first === undefined) return [];
  const { tenantId, month, allowance } = first;
  const wishes = requests.map(({ wish }) => wish);
  for (let counts = 0; counts < maxCounts; counts += 1) {
    const taken = await store.take(tenantId, month, allowance, wishes);
    if (taken.kind === "taken") return taken.isTaken.map((isTaken) => (isTaken ? taken.round : null));
    const { live, test } = await store.stored(tenantId, month);
    await store.restart(tenantId, month, taken.changes, live + test);
  }
  throw unavailable(counted);
}

function exhausted(allowance: number, nowMs: number): DomainError {
  const next = nextMonth(nowMs);
  const seconds = Math.max(1, Math.ceil((next - nowMs) / 1_000));
  return new DomainError(
    "allowance_exhausted",
    `The tenant may store ${allowance} events a month; the next one begins at ${new Date(next).toISOString()}.`,
    { headers: { "retry-after": String(seconds) } },
  );
}
