import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { toUsage, UsageResponse } from "./usage.contract.ts";
import { type ReadUsage, readUsage } from "./usage.ts";

export const usageRoutes = (http: Http, deps: ReadUsage) =>
  http.routes("usage").get("/v1/usage", async ({ tenant }) => toUsage(await readUsage(deps, tenant)), {
    access: "events:read",
    query: Type.Object({}, { additionalProperties: false }),
    detail: operation({
      summary: "The month's events and what is left of the allowance",
      description:
        "The allowance is one for both modes, so that a key of either sees both. An event counts once it is " +
        "stored. Once the allowance is used up, all events are refused with `allowance_exhausted` until " +
        "`resets_at`, also repeats of stored ones.",
      responses: { 200: UsageResponse },
    }),
  });
