import { DomainError } from "@payflow/contracts/errors.ts";
import {
  maxSettlements,
  type Settlement,
  SettlementsFound,
  SettlementsLookup,
  type SettlementsPage,
  SettlementsPage as SettlementsPageSchema,
  SettlementsQuery,
} from "@payflow/contracts/internal-payment.ts";
import type { Sql } from "@payflow/service-kit/database.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type Cursors, toPage } from "@payflow/service-kit/paging.ts";
import { findSettlements, listSettlements, publishedUntil } from "./settlements.store.ts";

export interface ReadSettlements {
  readonly sql: Sql;
  readonly cursors: Cursors;
}

/** The internal routes by which ledger compares its journal with what payment holds. */
export const settlementRoutes = (http: Http, deps: ReadSettlements) =>
  http
    .routes("settlements")
    .get("/internal/v1/settlements", ({ query }) => readSettlements(deps, query), {
      access: "internal",
      query: SettlementsQuery,
      detail: operation({
        summary: "Payments and refunds by the time they were settled",
        responses: { 200: SettlementsPageSchema },
        problems: ["invalid_cursor"],
      }),
    })
    .post(
      "/internal/v1/settlements/lookup",
      async ({ body }) => ({ data: await findSettlements(deps.sql, body.ids) }),
      {
        access: "internal",
        body: SettlementsLookup,
        detail: operation({ summary: "Payments and refunds by id", responses: { 200: SettlementsFound } }),
      },
    );

const owner = "settlements";

async function readSettlements(deps: ReadSettlements, query: SettlementsQuery): Promise<SettlementsPage> {
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

function toPosition(text: string): { settledAt: string; id: string } {
  const [settledAt, id] = text.split(" ");
  if (settledAt === undefined || id === undefined) throw new DomainError("invalid_cursor");
  return { settledAt, id };
}
