import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { FlagList, FlagsQuery } from "./flags.contract.ts";
import { type ListFlags, listFlags } from "./list-flags.ts";

/** The list of a tenant's flagged payments. */
export const flagRoutes = (http: Http, deps: ListFlags) =>
  http.routes("flags").get("/fraud/flags", ({ tenant, query }) => listFlags(deps, tenant, query), {
    access: "fraud:read",
    query: FlagsQuery,
    detail: operation({
      summary: "Flagged payments, newest first",
      responses: { 200: FlagList },
      problems: ["invalid_cursor"],
    }),
  });
