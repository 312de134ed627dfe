import type { Governor } from "@payflow/contracts/internal-operator.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import {
  type Claim,
  governedGeneration,
  holdGoverned,
  noteGoverned,
  releaseGoverned,
} from "@payflow/service-kit/governing/governed.ts";
import { type Database, isRetriableTransaction } from "@payflow/service-kit/store/database.ts";
import { and, eq, gt, isNotNull, isNull, sql } from "drizzle-orm";
import { deliveryQueue, endpoint, endpointQueue } from "../schema.ts";
import type { SealedSecret } from "../sending/secret-box.ts";
import {
  apply,
  type EndpointChange,
  type EndpointRow,
  find,
  insert,
  lockOwner,
  type NewEndpoint,
  type Owner,
  removeLocked,
  rotateSecret,
  type Transaction,
} from "./endpoints.store.ts";

/** An endpoint of a resource with what its queue knows, also once it is deleted. */
export interface GovernedView {
  readonly row: EndpointRow;
  readonly generation: number | null;
  readonly lastSuccessAt: Date | null;
  readonly lastFailureAt: Date | null;
  readonly lastStatusCode: number | null;
  readonly consecutiveFailures: number;
  readonly dead: number;
  readonly pending: number;
}

export interface Rotation {
  readonly secret: SealedSecret;
  readonly overlapSeconds: number;
}

export type GovernedEndpointsStore = ReturnType<typeof createGovernedEndpointsStore>;

/** The writes of one transaction in which the operator holds an endpoint and the lock of its tenant. */
export interface HeldEndpoint {
  readonly claim: Claim;
  /** Null while there is none, and once it is deleted. */
  readonly current: EndpointRow | null;
  insert(made: NewEndpoint): Promise<void>;
  change(change: EndpointChange): Promise<void>;
  rotate(rotation: Rotation): Promise<void>;
  /** Ends an overlap in so many seconds that would last longer. */
  cutOverlap(seconds: number): Promise<void>;
  drain(): Promise<void>;
  remove(): Promise<void>;
  note(): Promise<void>;
}

const retrying = { firstMs: 5, maxMs: 100, attempts: 6 };

/** Endpoints that the operator governs, in PostgreSQL. */
export function createGovernedEndpointsStore({ db }: Database) {
  return {
    /** The operator's right to write comes first and the tenant's lock second, everywhere. */
    hold: <T>(
      governor: Governor,
      endpointId: string,
      owner: Owner,
      run: (held: HeldEndpoint) => Promise<T>,
    ): Promise<T> => {
      const attempt = () =>
        db.transaction(async (tx) => {
          const claim = await holdGoverned(tx, governor, endpointId);
          await lockOwner(tx, owner);
          return run(await heldEndpoint(tx, governor, endpointId, owner, claim));
        });
      return retry(attempt, isRetriableTransaction, retrying);
    },

    /** Notes that no endpoint of this id may be made any more; false where one has been made. */
    forbid: (governor: Governor, endpointId: string): Promise<boolean> => {
      const attempt = () =>
        db.transaction(async (tx) => {
          const claim = await holdGoverned(tx, governor, endpointId);
          if (claim.before === null) await releaseGoverned(tx, endpointId);
          return claim.before === null || claim.isReleased;
        });
      return retry(attempt, isRetriableTransaction, retrying);
    },

    /** The endpoint of a resource; null for any other. */
    view: (endpointId: string) => view(db, endpointId),

    /** Takes away up to `limit` endpoints that were to be drained and have nothing more to send. */
    async finishDrains(limit: number): Promise<number> {
      const rows = await db
        .select({ id: endpoint.id, tenantId: endpoint.tenantId, mode: endpoint.mode })
        .from(endpoint)
        .where(isDrained)
        .limit(limit);
      for (const { id, ...owner } of rows) {
        await db.transaction(async (tx) => {
          await lockOwner(tx, owner);
          const [still] = await tx
            .select({ id: endpoint.id })
            .from(endpoint)
            .where(and(eq(endpoint.id, id), isDrained));
          if (still !== undefined) await removeLocked(tx, owner, id);
        });
      }
      return rows.length;
    },
  };
}

/** What is disabled sends nothing any more, so that waiting for it would not end. */
const isDrained = and(
  isNotNull(endpoint.drainingAt),
  isNull(endpoint.deletedAt),
  sql`(not ${endpoint.enabled}
       or not exists (select 1 from ${deliveryQueue} where ${deliveryQueue.endpointId} = ${endpoint.id}))`,
);

async function heldEndpoint(
  tx: Transaction,
  governor: Governor,
  endpointId: string,
  owner: Owner,
  claim: Claim,
): Promise<HeldEndpoint> {
  const found = await find(tx, owner, endpointId);
  return {
    claim,
    current: found,
    insert: (made) => insert(tx, made),
    async change(change) {
      if (found !== null) await apply(tx, owner, found, change);
    },
    async rotate({ secret, overlapSeconds }) {
      await rotateSecret(tx, owner, endpointId, secret, overlapSeconds);
    },
    async cutOverlap(seconds) {
      const end = sql`now() + make_interval(secs => ${seconds})`;
      await tx
        .update(endpoint)
        .set({ previousExpiresAt: end, updatedAt: sql`now()` })
        // Repeats count the seconds anew, and are a moment off.
        .where(
          and(eq(endpoint.id, endpointId), gt(endpoint.previousExpiresAt, sql`${end} + interval '1 s'`)),
        );
    },
    async drain() {
      await tx.update(endpoint).set({ drainingAt: sql`now()` }).where(eq(endpoint.id, endpointId));
      await releaseGoverned(tx, endpointId);
    },
    async remove() {
      await removeLocked(tx, owner, endpointId);
      await releaseGoverned(tx, endpointId);
    },
    note: () => noteGoverned(tx, governor, endpointId, claim),
  };
}

async function view(db: Database["db"], endpointId: string): Promise<GovernedView | null> {
  const waiting = sql`select 1 from delivery_queue w where w.endpoint_id = ${endpointId} and w.lease is null`;
  const [found] = await db
    .select({
      row: endpoint,
      lastSuccessAt: endpointQueue.lastSuccessAt,
      lastFailureAt: endpointQueue.lastFailureAt,
      lastStatusCode: endpointQueue.lastStatusCode,
      consecutiveFailures: endpointQueue.consecutiveFailures,
      dead: endpointQueue.deadDeliveries,
      inflight: endpointQueue.inflight,
      waiting: sql<number>`(select count(*)::integer from (${waiting} limit 100000) as counted)`,
    })
    .from(endpoint)
    .innerJoin(endpointQueue, eq(endpointQueue.endpointId, endpoint.id))
    .where(and(eq(endpoint.id, endpointId), eq(endpoint.managedBy, "kubernetes")));
  if (found === undefined) return null;
  const { inflight, waiting: count, ...rest } = found;
  return { ...rest, pending: inflight + count, generation: await governedGeneration(db, endpointId) };
}
