import type { Mode } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { and, count, desc, eq, isNull, lt, sql } from "drizzle-orm";
import { endpoint, endpointQueue, tenantQueue } from "../schema.ts";
import type { SealedSecret } from "../sending/secret-box.ts";
import { maxEndpoints } from "./endpoint.ts";

export type EndpointRow = typeof endpoint.$inferSelect;
type GovernedColumns = "managedBy" | "wantedEnabled" | "timeoutMs" | "maxAttempts";

/** An endpoint with what its queue knows of its health. */
export interface EndpointView extends EndpointRow {
  readonly consecutiveFailures: number;
  readonly lastSuccessAt: Date | null;
  readonly failingSince: Date | null;
  readonly failedMessages: number;
  readonly warning: number;
  readonly probeDue: Date | null;
}

export interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

export interface NewEndpoint extends Owner, Pick<Partial<EndpointRow>, GovernedColumns> {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string | null;
  readonly enabled: boolean;
  readonly ratePerSecond: number | null;
  readonly isDefault: boolean;
  readonly secret: SealedSecret;
}

export interface EndpointChange {
  readonly url?: string;
  readonly events?: readonly string[];
  readonly description?: string | null;
  readonly enabled?: boolean;
  readonly ratePerSecond?: number | null;
  /** What a resource says besides. */
  readonly wantedEnabled?: boolean;
  readonly timeoutMs?: number;
  readonly maxAttempts?: number;
}

export type EndpointsStore = ReturnType<typeof createEndpointsStore>;
export type Transaction = Parameters<Parameters<Database["db"]["transaction"]>[0]>[0];

const columns = {
  endpoint,
  consecutiveFailures: endpointQueue.consecutiveFailures,
  lastSuccessAt: endpointQueue.lastSuccessAt,
  failingSince: endpointQueue.failingSince,
  failedMessages: endpointQueue.failedMessages,
  warning: endpointQueue.warning,
  probeDue: endpointQueue.probeDue,
};

const owned = (owner: Owner) =>
  and(eq(endpoint.tenantId, owner.tenantId), eq(endpoint.mode, owner.mode), isNull(endpoint.deletedAt));
const one = (owner: Owner, endpointId: string) => and(owned(owner), eq(endpoint.id, endpointId));

/** Changes of endpoints go under the lock of their tenant's row, as everything of its queue does. */
function underLock<T>(db: Database["db"], owner: Owner, change: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await lockOwner(tx, owner);
    return change(tx);
  });
}

export async function lockOwner(tx: Transaction, { tenantId, mode }: Owner): Promise<void> {
  await tx.insert(tenantQueue).values({ tenantId, mode }).onConflictDoNothing();
  await tx.execute(sql`select lock_tenants(array[${tenantId}], array[${mode}])`);
}

export async function find(tx: Pick<Transaction, "select">, owner: Owner, endpointId: string) {
  const [found] = await tx
    .select(columns)
    .from(endpoint)
    .innerJoin(endpointQueue, eq(endpointQueue.endpointId, endpoint.id))
    .where(one(owner, endpointId));
  return found === undefined ? null : toView(found);
}

export async function insert(tx: Transaction, made: NewEndpoint): Promise<void> {
  const [known] = await tx.select({ count: count() }).from(endpoint).where(owned(made));
  if ((known?.count ?? 0) >= maxEndpoints) {
    throw new DomainError(
      "limit_reached",
      `There are ${maxEndpoints} webhook endpoints in this mode already.`,
    );
  }
  await tx.insert(endpoint).values({
    ...made,
    events: [...made.events],
    secret: made.secret.sealed,
    secretKeyId: made.secret.keyId,
    disabledReason: made.enabled ? null : "owner",
    disabledAt: made.enabled ? null : sql`now()`,
  });
  await tx.insert(endpointQueue).values({ endpointId: made.id, tenantId: made.tenantId, mode: made.mode });
}

export async function apply(tx: Transaction, owner: Owner, current: EndpointView, change: EndpointChange) {
  const isEnabling = change.enabled === true && !current.enabled;
  const isDisabling = change.enabled === false && current.disabledReason !== "owner";
  const { events, ...rest } = change;
  await tx
    .update(endpoint)
    .set({
      ...rest,
      ...(events === undefined ? {} : { events: [...events] }),
      ...(isEnabling ? { disabledReason: null, disabledAt: null } : {}),
      ...(isDisabling ? { disabledReason: "owner" as const, disabledAt: sql`now()` } : {}),
      updatedAt: sql`now()`,
    })
    .where(one(owner, current.id));
  const isNewPlace = change.url !== undefined && change.url !== current.url;
  if (isEnabling || isNewPlace) await tx.execute(sql`select reset_endpoint(${current.id})`);
  if (isDisabling) {
    await tx.update(endpointQueue).set({ probeDue: null }).where(eq(endpointQueue.endpointId, current.id));
  }
  await refresh(tx, owner, current.id);
}

async function refresh(tx: Transaction, owner: Owner, endpointId: string): Promise<void> {
  await tx.execute(
    sql`select refresh_queue(array[${endpointId}], array[${owner.tenantId}], array[${owner.mode}])`,
  );
}

function putDefaultEndpoint(
  db: Database["db"],
  owner: Owner,
  url: string,
  events: readonly string[],
  make: () => NewEndpoint,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  return underLock(db, owner, async (tx) => {
    const [row] = await tx
      .select({ id: endpoint.id })
      .from(endpoint)
      .where(and(owned(owner), eq(endpoint.isDefault, true)));
    const current = row === undefined ? null : await find(tx, owner, row.id);
    if (current === null) {
      const made = make();
      await insert(tx, made);
      return { id: made.id, isNew: true };
    }
    await apply(tx, owner, current, { url, events, enabled: true });
    return { id: current.id, isNew: false };
  });
}

export async function rotateSecret(
  db: Pick<Transaction, "update">,
  owner: Owner,
  endpointId: string,
  secret: SealedSecret,
  overlapSeconds: number,
): Promise<Date | null> {
  const [rotated] = await db
    .update(endpoint)
    .set({
      previousSecret: sql`${endpoint.secret}`,
      previousSecretKeyId: sql`${endpoint.secretKeyId}`,
      previousExpiresAt: sql`now() + make_interval(secs => ${overlapSeconds})`,
      secret: secret.sealed,
      secretKeyId: secret.keyId,
      updatedAt: sql`now()`,
    })
    .where(one(owner, endpointId))
    .returning({ previousExpiresAt: endpoint.previousExpiresAt });
  return rotated?.previousExpiresAt ?? null;
}

/** Takes an endpoint away; the caller holds its tenant's lock. Whether there was one. */
export async function removeLocked(tx: Transaction, owner: Owner, endpointId: string): Promise<boolean> {
  const removed = await tx
    .update(endpoint)
    .set({
      enabled: false,
      disabledReason: "deleted",
      disabledAt: sql`now()`,
      deletedAt: sql`now()`,
      secret: new Uint8Array(),
      previousSecret: null,
      previousSecretKeyId: null,
      previousExpiresAt: null,
    })
    .where(one(owner, endpointId))
    .returning({ id: endpoint.id });
  if (removed.length === 0) return false;
  await tx.update(endpointQueue).set({ probeDue: null }).where(eq(endpointQueue.endpointId, endpointId));
  await refresh(tx, owner, endpointId);
  return true;
}

/** Endpoints in PostgreSQL, each with the state of its queue. */
export function createEndpointsStore({ db }: Database) {
  return {
    find: (owner: Owner, endpointId: string) => find(db, owner, endpointId),

    /** Up to `limit` endpoints older than `before`, newest first. */
    async list(owner: Owner, limit: number, before: string | null): Promise<EndpointView[]> {
      const rows = await db
        .select(columns)
        .from(endpoint)
        .innerJoin(endpointQueue, eq(endpointQueue.endpointId, endpoint.id))
        .where(and(owned(owner), before === null ? undefined : lt(endpoint.id, before)))
        .orderBy(desc(endpoint.id))
        .limit(limit);
      return rows.map(toView);
    },

    /** Adds an endpoint; fails with `limit_reached` at fifty, however many are added at once. */
    insert(made: NewEndpoint): Promise<EndpointView | null> {
      return underLock(db, made, async (tx) => {
        await insert(tx, made);
        return find(tx, made, made.id);
      });
    },

    /** Changes an endpoint and returns it, or null when there is none. */
    change(owner: Owner, endpointId: string, change: EndpointChange): Promise<EndpointView | null> {
      return underLock(db, owner, async (tx) => {
        const current = await find(tx, owner, endpointId);
        if (current === null) return null;
        await apply(tx, owner, current, change);
        return find(tx, owner, endpointId);
      });
    },

    /**
     * The tenant's default endpoint, enabled and with these events; added with what `make` returns if there
     * is none.
     */
    putDefault: (owner: Owner, url: string, events: readonly string[], make: () => NewEndpoint) =>
      putDefaultEndpoint(db, owner, url, events, make),

    /** Makes the given secret the current one; the one before signs too for `overlapSeconds`. */
    rotate: (owner: Owner, endpointId: string, secret: SealedSecret, overlapSeconds: number) =>
      rotateSecret(db, owner, endpointId, secret, overlapSeconds),

    /**
     * Takes the endpoint away with its secrets; what is under way ends, what waits is canceled by the upkeep.
     */
    remove: (owner: Owner, endpointId: string) =>
      underLock(db, owner, (tx) => removeLocked(tx, owner, endpointId)),
  };
}

function toView({
  endpoint: row,
  ...health
}: { endpoint: EndpointRow } & Omit<EndpointView, keyof EndpointRow>) {
  return { ...row, ...health };
}
