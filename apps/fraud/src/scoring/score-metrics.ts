import type { ScoreAnswer } from "@payflow/contracts/internal-fraud.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";

export interface ScoreMetrics {
  /** Times a batch and counts what was decided. */
  observe(size: number, score: () => Promise<readonly ScoreAnswer[]>): Promise<ScoreAnswer[]>;
}

/** Figures about scoring, for each process. */
export function scoreMetrics(metrics: Metrics): ScoreMetrics {
  const decisions = metrics.counter("payflow_fraud_decisions_total", "Decisions answered.", ["decision"]);
  const seconds = metrics.histogram("payflow_fraud_batch_seconds", "Time to score a batch.");
  const sizes = metrics.histogram(
    "payflow_fraud_batch_payments",
    "Payments in a batch.",
    [],
    [1, 2, 4, 8, 16, 32, 64, 128, 256],
  );
  return {
    async observe(size, score) {
      const startedAt = performance.now();
      sizes.observe(size);
      try {
        const answers = await score();
        for (const answer of answers) decisions.inc({ decision: answer.decision });
        return [...answers];
      } finally {
        seconds.observe((performance.now() - startedAt) / 1_000);
      }
    },
  };
}
