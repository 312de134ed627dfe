import type { Mode } from "@payflow/contracts/access.ts";
import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { ISql } from "postgres";
import { canonicalJson, type Policy, type PolicyOwner } from "./policy.ts";

export interface StoredPolicy {
  readonly hash: string;
  readonly policy: Policy;
  readonly updatedAt: Date;
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
        select p.tenant_id, p.mode, p.hash, v.document
          from unnest(${owners.map((one) => one.tenantId)}::text[], ${owners.map((one) => one.mode)}::text[],
                      ${owners.map((one) => one.knownHash)}::text[]) as w (tenant_id, mode, hash)
          join policy p on p.tenant_id = w.tenant_id and p.mode = w.mode
          left join policy_version v on v.hash = p.hash and p.hash <> w.hash`;
      return rows.map((row) => ({
        tenantId: row.tenant_id,
        mode: row.mode,
        hash: row.hash,
        policy: row.document,
      }));
    },
    async get({ tenantId, mode }) {
      const [row] = await sql<{ hash: string; document: Policy; updated_at: Date }[]>`
        select p.hash, v.document, p.updated_at from policy p join policy_version v on v.hash = p.hash
         where p.tenant_id = ${tenantId} and p.mode = ${mode}`;
      return row === undefined ? null : { hash: row.hash, policy: row.document, updatedAt: row.updated_at };
    },
    put: ({ tenantId, mode }, hash, policy) =>
      transact(sql, async (transaction) => {
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
        return { hash, policy, updatedAt: row.updated_at };
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
