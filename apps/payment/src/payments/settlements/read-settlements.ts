import { modes } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import {
  maxSettlements,
  type Settlement,
  type SettlementsFound,
  type SettlementsPage,
  type SettlementsQuery,
} from "@payflow/contracts/internal-payment.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import { type Cursors, toPage } from "@payflow/service-kit/store/paging.ts";
import { findSettlements, hasPayments, listSettlements, publishedUntil } from "./settlements.store.ts";

export interface ReadSettlements {
  readonly sql: Sql;
  readonly cursors: Cursors;
}

const owner = "settlements";

/** Payments and refunds by the time they were settled, of all tenants. Throws `invalid_cursor`. */
export async function readSettlements(
  deps: ReadSettlements,
  query: SettlementsQuery,
): Promise<SettlementsPage> {
  const limit = query.limit ?? maxSettlements;
  const rows = await listSettlements(deps.sql, {
    from: query.from ?? null,
    to: query.to ?? null,
    after: query.cursor === undefined ? null : toPosition(deps.cursors.decode(owner, query.cursor)),
    limit,
  });
  const page = toPage(
    rows,
    limit,
    (row): Settlement => row,
    (last) => deps.cursors.encode(owner, `${last.settled_at} ${last.id}`),
  );
  return { ...page, data: [...page.data], published_until: await publishedUntil(deps.sql) };
}

/** Payments and refunds by id; unknown ids are left out. */
export async function lookUpSettlements(
  deps: ReadSettlements,
  ids: readonly string[],
): Promise<SettlementsFound> {
  return { data: await findSettlements(deps.sql, ids) };
}

/** Whether a tenant has ever made a payment in a mode. Fails with `not_found` for what is no mode. */
export async function readTenantPayments(
  deps: Pick<ReadSettlements, "sql">,
  tenantId: string,
  mode: string,
): Promise<{ exists: boolean }> {
  const known = modes.find((one) => one === mode);
  if (known === undefined || !isId("ten", tenantId)) throw new DomainError("not_found");
  return { exists: await hasPayments(deps.sql, tenantId, known) };
}

function toPosition(text: string): { settledAt: string; id: string } {
  const [settledAt, id] = text.split(" ");
  if (settledAt === undefined || id === undefined) throw new DomainError("invalid_cursor");
  return { settledAt, id };
}
