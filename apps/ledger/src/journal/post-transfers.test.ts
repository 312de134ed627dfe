import { expect, test } from "bun:test";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { reconciliationMetrics } from "../reconciliation/reconcile.ts";
import { postingMetrics } from "./post-transfers.ts";

test("what never happened is told as 0, so that an alert sees its first time", async () => {
  const metrics = new Metrics("ledger");
  postingMetrics(metrics);
  reconciliationMetrics(metrics);
  const text = await metrics.text();
  expect(text).toContain('payflow_ledger_refused_postings_total{type="capture",service="ledger"} 0');
  expect(text).toContain(
    'payflow_ledger_reconciliation_findings_total{kind="missing_in_ledger",service="ledger"} 0',
  );
});
