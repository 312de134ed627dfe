import { ScoresAnswer, ScoresBody } from "@payflow/contracts/internal-fraud.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import type { ScoreMetrics } from "./score-metrics.ts";
import { type ScorePayments, scorePayments } from "./score-payments.ts";

export interface ScoresRoutes extends ScorePayments {
  readonly scoreMetrics: ScoreMetrics;
}

/** The internal route on which payment asks for decisions. */
export const scoresRoutes = (http: Http, deps: ScoresRoutes) =>
  http.routes("scores").post(
    "/internal/v1/scores",
    async ({ body }) => {
      const decisions = await deps.scoreMetrics.observe(body.payments.length, () =>
        scorePayments(deps, body.payments, body.dry === true),
      );
      return { decisions };
    },
    {
      access: "internal",
      body: ScoresBody,
      detail: operation({ summary: "Score a batch of payments", responses: { 200: ScoresAnswer } }),
    },
  );
