import type { Mode } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { ISql } from "postgres";
import { canonicalJson, type Policy, type PolicyOwner } from "./policy.ts";

export interface StoredPolicy {
  readonly hash: string;
  readonly policy: Policy;
  readonly updatedAt: Date;
  /** Whether it is a resource's, which REST only reads. */
  readonly isGoverned: boolean;
}

interface StoredRow {
  hash: string;
  document: Policy;
  updated_at: Date;
  is_governed: boolean;
}

/** A tenant's policy as of now; `policy` is null where the asker has that version already. */
export interface PolicyInForce extends PolicyOwner {
  readonly hash: string;
  readonly policy: Policy | null;
}

export interface PoliciesStore {
  /** The policies in force of those who have one. `knownHash` is the version the asker has, or "". */
  inForce(
    owners: readonly (PolicyOwner & { readonly knownHash: string })[],
  ): Promise<readonly PolicyInForce[]>;
  get(owner: PolicyOwner): Promise<StoredPolicy | null>;
  /** Throws `managed_by_kubernetes` where a resource's policy governs the tenant. */
  put(owner: PolicyOwner, hash: string, policy: Policy): Promise<StoredPolicy>;
  version(hash: string): Promise<Policy | null>;
  /** Keeps a version that no tenant's row refers to, such as the default policy. */
  remember(hash: string, policy: Policy): Promise<void>;
  /**
   * Deletes up to `limit` versions that no tenant has and that went out of use so many days ago; how many.
   */
  deleteOld(keptDays: number, limit: number): Promise<number>;
}

/** Policies in PostgreSQL. A version is stored once, however many tenants have it. */
export function policiesStore(sql: Sql): PoliciesStore {
  return {
    async inForce(owners) {
      const rows = await sql<{ tenant_id: string; mode: Mode; hash: string; document: Policy | null }[]>`
        select w.tenant_id, w.mode, f.hash, v.document
          from unnest(${owners.map((one) => one.tenantId)}::text[], ${owners.map((one) => one.mode)}::text[],
                      ${owners.map((one) => one.knownHash)}::text[]) as w (tenant_id, mode, hash)
          left join policy_assignment a on a.tenant_id = w.tenant_id
          left join governed_policy g on g.policy_id = a.policy_id
          left join policy p on p.tenant_id = w.tenant_id and p.mode = w.mode
         cross join lateral (select coalesce(g.hash, p.hash) as hash) f
          left join policy_version v on v.hash = f.hash and f.hash <> w.hash
         where f.hash is not null`;
      return rows.map((row) => ({
        tenantId: row.tenant_id,
        mode: row.mode,
        hash: row.hash,
        policy: row.document,
      }));
    },
    async get({ tenantId, mode }) {
      const [row] = await sql<StoredRow[]>`
        select v.hash, v.document, f.updated_at, f.is_governed
          from (select g.hash, g.updated_at, true as is_governed
                  from policy_assignment a join governed_policy g on g.policy_id = a.policy_id
                 where a.tenant_id = ${tenantId}
                 union all
                select p.hash, p.updated_at, false from policy p
                 where p.tenant_id = ${tenantId} and p.mode = ${mode}) f
          join policy_version v on v.hash = f.hash
         order by f.is_governed desc limit 1`;
      if (row === undefined) return null;
      const { hash, document, updated_at, is_governed } = row;
      return { hash, policy: document, updatedAt: updated_at, isGoverned: is_governed };
    },
    put: ({ tenantId, mode }, hash, policy) =>
      transact(sql, async (transaction) => {
        const [governed] = await transaction`
          select from policy_assignment a join governed_policy g on g.policy_id = a.policy_id
           where a.tenant_id = ${tenantId}`;
        if (governed !== undefined) throw new DomainError("managed_by_kubernetes");
        const [old] = await transaction<{ hash: string }[]>`
          select hash from policy where tenant_id = ${tenantId} and mode = ${mode} for update`;
        // The version that ends here was in force until now: decisions may name it for as long as they are
        // kept.
        if (old !== undefined)
          await transaction`update policy_version set used_at = now() where hash = ${old.hash}`;
        await insertVersion(transaction, hash, policy);
        const [row] = await transaction<{ updated_at: Date }[]>`
          insert into policy (tenant_id, mode, hash) values (${tenantId}, ${mode}, ${hash})
          on conflict (tenant_id, mode) do update set hash = excluded.hash, updated_at = now()
          returning updated_at`;
        if (row === undefined) throw new Error("an upsert returned no row");
        return { hash, policy, updatedAt: row.updated_at, isGoverned: false };
      }),
    async version(hash) {
      const [row] = await sql<
        { document: Policy }[]
      >`select document from policy_version where hash = ${hash}`;
      return row?.document ?? null;
    },
    remember: (hash, policy) => insertVersion(sql, hash, policy),
    async deleteOld(keptDays, limit) {
      const deleted = await sql`
        delete from policy_version where hash in (
          select v.hash from policy_version v
           where v.used_at < now() - make_interval(days => ${keptDays})
             and not exists (select from policy p where p.hash = v.hash)
             and not exists (select from governed_policy g where g.hash = v.hash)
           order by v.hash limit ${limit})`;
      return deleted.count;
    },
  };
}

async function insertVersion(sql: ISql, hash: string, policy: Policy): Promise<void> {
  await sql`
    insert into policy_version (hash, document) values (${hash}, ${canonicalJson(policy)}::text::jsonb)
    on conflict (hash) do update set used_at = now()`;
}
