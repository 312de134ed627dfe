import { DomainError } from "@payflow/contracts/errors.ts";
import type { FencingToken, Governor, Owner } from "@payflow/contracts/internal-operator.ts";
import { sql } from "drizzle-orm";
import { bigint, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { byteText } from "../store/columns.ts";

/** The newest holder of each Lease that wrote here. Each app that the operator writes to exports it. */
export const operatorFenceTable = pgTable(
  "operator_fence",
  {
    cluster: text("cluster").notNull(),
    lease: text("lease").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    transitions: bigint("transitions", { mode: "number" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.cluster, table.lease] })],
);

/** The resource that governs an object, and the generation the object shows. */
export const governedObjectTable = pgTable("governed_object", {
  id: byteText("id").primaryKey(),
  cluster: text("cluster").notNull(),
  namespace: text("namespace").notNull(),
  name: text("name").notNull(),
  uid: text("uid").notNull(),
  generation: bigint("generation", { mode: "number" }).notNull(),
  /** Since when no resource governs it any more. */
  releasedAt: timestamp("released_at", { withTimezone: true }),
});

type Transaction = Pick<PostgresJsDatabase, "execute">;

interface GovernedRow extends Record<string, unknown>, Owner {
  readonly generation: string;
  readonly is_released: boolean;
}

export interface Claim {
  /** The generation the object shows until now; null for an object that is new. */
  readonly before: number | null;
  readonly isReleased: boolean;
}

/**
 * Holds the right to write an object until the transaction ends: no newer leader can have written, none can
 * write before this transaction is over, and the resource has not been changed since. To be called before
 * anything else of the transaction. Throws `stale_leader`, `governed_by_another` or `stale_generation`.
 */
export async function holdGoverned(tx: Transaction, governor: Governor, id: string): Promise<Claim> {
  await holdFence(tx, governor.owner.cluster, governor.fence);
  const { owner, generation } = governor;
  // Inserted first, so that of two that make the same object one waits for the other and then finds it.
  const [made] = await tx.execute<{ id: string }>(sql`
    insert into governed_object (id, cluster, namespace, name, uid, generation)
    values (${id}, ${owner.cluster}, ${owner.namespace}, ${owner.name}, ${owner.uid}, ${generation})
    on conflict (id) do nothing returning id`);
  if (made !== undefined) return { before: null, isReleased: false };
  const [known] = await tx.execute<GovernedRow>(sql`
    select cluster, namespace, name, uid, generation, released_at is not null as is_released
      from governed_object where id = ${id} for update`);
  if (known === undefined) throw new Error("an object that was governed is gone");
  if (known.cluster !== owner.cluster || known.uid !== owner.uid) {
    const { cluster, namespace, name } = known;
    throw new DomainError("governed_by_another", `It belongs to ${cluster}/${namespace}/${name}.`);
  }
  const before = Number(known.generation);
  if (before > generation) {
    throw new DomainError("stale_generation", `Generation ${before} has been written already.`);
  }
  return { before, isReleased: known.is_released };
}

/** Notes that the object shows the governor's generation from now on. The caller holds it. */
export async function noteGoverned(tx: Transaction, governor: Governor, id: string, { before }: Claim) {
  if (before === null || before === governor.generation) return;
  await tx.execute(sql`update governed_object set generation = ${governor.generation} where id = ${id}`);
}

/** Notes that no resource governs the object any more. The caller holds it. */
export async function releaseGoverned(tx: Transaction, id: string): Promise<void> {
  await tx.execute(sql`update governed_object set released_at = now() where id = ${id}`);
}

/** The generation an object shows; null where nothing governs it. */
export async function governedGeneration(tx: Transaction, id: string): Promise<number | null> {
  const [row] = await tx.execute<{ generation: string }>(sql`
    select generation from governed_object where id = ${id} and released_at is null`);
  return row === undefined ? null : Number(row.generation);
}

/**
 * A leader's writes share the lock of its row and go on side by side; a newer leader's first write takes it
 * alone, after every older write has ended, and later older ones find it. One statement is enough mostly,
 * and no lock is ever raised: that would deadlock.
 */
async function holdFence(tx: Transaction, cluster: string, fence: FencingToken): Promise<void> {
  const { lease, createdMs, transitions } = fence;
  const [known] = await tx.execute<{ is_newer: boolean }>(sql`
    select (created_ms, transitions) > (${createdMs}::bigint, ${transitions}::bigint) as is_newer
      from operator_fence
     where cluster = ${cluster} and lease = ${lease}
       and (created_ms, transitions) >= (${createdMs}::bigint, ${transitions}::bigint)
       for share`);
  if (known?.is_newer === true) throw staleLeader(lease);
  if (known !== undefined) return;
  const [taken] = await tx.execute<{ lease: string }>(sql`
    insert into operator_fence as held (cluster, lease, created_ms, transitions)
    values (${cluster}, ${lease}, ${createdMs}, ${transitions})
    on conflict (cluster, lease) do update
      set created_ms = excluded.created_ms, transitions = excluded.transitions
      where (held.created_ms, held.transitions) <= (excluded.created_ms, excluded.transitions)
    returning lease`);
  if (taken === undefined) throw staleLeader(lease);
}

function staleLeader(lease: string): DomainError {
  return new DomainError("stale_leader", `A newer holder of the Lease ${lease} has written since.`);
}
