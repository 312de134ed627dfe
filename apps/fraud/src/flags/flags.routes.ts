import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type Cursors, toPage } from "@payflow/service-kit/paging.ts";
import { FlagList, FlagsQuery, toFlagResponse } from "./flags.contract.ts";
import type { FlagsStore } from "./flags.store.ts";

export interface FlagRoutes {
  readonly flags: Pick<FlagsStore, "list">;
  readonly cursors: Cursors;
}

/** The list of a tenant's flagged payments. */
export const flagRoutes = (http: Http, deps: FlagRoutes) =>
  http.routes("flags").get(
    "/fraud/flags",
    async ({ tenant, query }) => {
      const owner = `flags/${tenant.tenantId}/${tenant.mode}`;
      const limit = query.limit ?? 20;
      const rows = await deps.flags.list(tenant, {
        decision: query.decision,
        paymentId: query.payment_id,
        before: query.cursor === undefined ? undefined : deps.cursors.decode(owner, query.cursor),
        limit: limit + 1,
      });
      return toPage(rows, limit, toFlagResponse, (last) => deps.cursors.encode(owner, last.eventId));
    },
    {
      access: "fraud:read",
      query: FlagsQuery,
      detail: operation({
        summary: "Flagged payments, newest first",
        responses: { 200: FlagList },
        problems: ["invalid_cursor"],
      }),
    },
  );
