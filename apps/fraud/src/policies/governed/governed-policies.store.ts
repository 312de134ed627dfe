import type { PolicyMode, PolicyTenantsBody } from "@payflow/contracts/internal-fraud.ts";
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
import { sql } from "drizzle-orm";
import { canonicalJson, type Policy } from "../policy.ts";

type Transaction = Parameters<Parameters<Database["db"]["transaction"]>[0]>[0];

/** A replica that has not been seen for longer does not run any more. */
const runningSeconds = 5;

export interface PolicyVersion {
  readonly mode: PolicyMode;
  readonly hash: string;
  readonly policy: Policy;
}

interface ViewRow extends Record<string, unknown> {
  readonly mode: PolicyMode;
  readonly hash: string;
  readonly matched: number;
  readonly applied: number;
  readonly running: number;
  readonly updated_at: string;
}

export type GovernedPoliciesStore = ReturnType<typeof createGovernedPoliciesStore>;

/** The writes of one transaction in which the operator holds a policy. */
export interface HeldPolicy {
  readonly claim: Claim;
  /** Puts a version into force; one that is in force already is not touched. */
  put(version: PolicyVersion): Promise<void>;
  /** Sets which tenants the policy governs. */
  assign(tenants: PolicyTenantsBody["tenants"]): Promise<void>;
  /** Lets go of the tenants and of the policy. */
  remove(): Promise<void>;
}

/** Policies of FraudPolicy resources, and the tenants they govern, in PostgreSQL. */
export function createGovernedPoliciesStore({ db }: Database) {
  return {
    hold: <T>(governor: Governor, policyId: string, run: (held: HeldPolicy) => Promise<T>): Promise<T> => {
      const attempt = () =>
        db.transaction(async (tx) => {
          const claim = await holdGoverned(tx, governor, policyId);
          return run({
            claim,
            async put(version) {
              await noteGoverned(tx, governor, policyId, claim);
              await putVersion(tx, policyId, version);
            },
            assign: (tenants) => assignTenants(tx, policyId, tenants),
            remove: () => removePolicy(tx, policyId),
          });
        });
      return retry(attempt, isRetriableTransaction, { firstMs: 5, maxMs: 100, attempts: 6 });
    },

    /** What is in force and by how many replicas it is applied; null where there is none. */
    async view(policyId: string) {
      const isRunning = sql`r.seen_at > now() - make_interval(secs => ${runningSeconds})`;
      const [row] = await db.execute<ViewRow>(sql`
        select g.mode, g.hash, g.updated_at,
               (select count(*)::integer from policy_assignment a where a.policy_id = g.policy_id) as matched,
               (select count(*)::integer from policy_replica r where ${isRunning}) as running,
               (select count(*)::integer from policy_replica r
                 where ${isRunning} and r.revision >= g.revision) as applied
          from governed_policy g where g.policy_id = ${policyId}`);
      return row === undefined ? null : { ...row, generation: await governedGeneration(db, policyId) };
    },

    /** The number of the latest change. */
    async revision(): Promise<number> {
      const [row] = await db.execute<{ number: string }>(sql`select number from policy_revision`);
      return Number(row?.number ?? 0);
    },

    /** Tells that a replica runs and applies every change up to a number. */
    async tell(replica: string, revision: number): Promise<void> {
      await db.execute(sql`
        insert into policy_replica (replica, revision) values (${replica}, ${revision})
        on conflict (replica) do update set revision = excluded.revision, seen_at = now()`);
      await db.execute(sql`delete from policy_replica where seen_at < now() - interval '1 hour'`);
    },

    async leave(replica: string): Promise<void> {
      await db.execute(sql`delete from policy_replica where replica = ${replica}`);
    },
  };
}

async function putVersion(tx: Transaction, policyId: string, version: PolicyVersion): Promise<void> {
  const { mode, hash, policy } = version;
  const [known] = await tx.execute<{ mode: string; hash: string }>(sql`
    select mode, hash from governed_policy where policy_id = ${policyId}`);
  if (known?.mode === mode && known.hash === hash) return;
  // Decisions may name the version that ends here for as long as they are kept.
  if (known !== undefined) {
    await tx.execute(sql`update policy_version set used_at = now() where hash = ${known.hash}`);
  }
  await tx.execute(sql`
    insert into policy_version (hash, document) values (${hash}, ${canonicalJson(policy)}::text::jsonb)
    on conflict (hash) do update set used_at = now()`);
  await tx.execute(sql`
    insert into governed_policy (policy_id, mode, hash, revision)
    values (${policyId}, ${mode}, ${hash}, 0)
    on conflict (policy_id) do update set mode = excluded.mode, hash = excluded.hash, updated_at = now()`);
  await numberChange(tx, policyId);
}

async function assignTenants(
  tx: Transaction,
  policyId: string,
  tenants: PolicyTenantsBody["tenants"],
): Promise<void> {
  const sorted = [...new Map(tenants.map((one) => [one.tenant_id, one])).values()];
  // In one order, so that two policies that take tenants from each other do not deadlock.
  sorted.sort((left, right) => (left.tenant_id < right.tenant_id ? -1 : 1));
  const json = JSON.stringify(sorted);
  const changed = await tx.execute<{ tenant_id: string }>(sql`
    insert into policy_assignment as held (tenant_id, policy_id, tenant_generation)
    select w.tenant_id, ${policyId}, w.generation
      from json_to_recordset(${json}::text::json) as w (tenant_id text, generation bigint)
    on conflict (tenant_id) do update
      set policy_id = excluded.policy_id, tenant_generation = excluded.tenant_generation
      where held.tenant_generation < excluded.tenant_generation
         or (held.tenant_generation = excluded.tenant_generation and held.policy_id <> excluded.policy_id)
    returning tenant_id`);
  const released = await tx.execute<{ tenant_id: string }>(sql`
    delete from policy_assignment a
     where a.policy_id = ${policyId}
       and not exists (select from json_to_recordset(${json}::text::json) as w (tenant_id text)
                        where w.tenant_id = a.tenant_id)
    returning tenant_id`);
  if (changed.length + released.length > 0) await numberChange(tx, policyId);
}

async function removePolicy(tx: Transaction, policyId: string): Promise<void> {
  await tx.execute(sql`delete from policy_assignment where policy_id = ${policyId}`);
  await tx.execute(sql`
    update policy_version set used_at = now()
     where hash = (select hash from governed_policy where policy_id = ${policyId})`);
  await numberChange(tx, policyId);
  await tx.execute(sql`delete from governed_policy where policy_id = ${policyId}`);
  await releaseGoverned(tx, policyId);
}

/** Numbers a change; the counter's row is the last lock taken, and held until the commit. */
async function numberChange(tx: Transaction, policyId: string): Promise<void> {
  await tx.execute(sql`
    with counted as (update policy_revision set number = number + 1 returning number)
    update governed_policy g set revision = counted.number from counted where g.policy_id = ${policyId}`);
}
