import { expect, test } from "bun:test";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { webhookMetrics } from "./webhook-metrics.ts";

test("a scrape tells the queue as it is, asks for it once, and keeps its last figures while nobody knows", async () => {
  const metrics = new Metrics("notifier");
  let asked = 0;
  const depths = [{ deliveries: 3, lateSeconds: 1.5 }, null, { deliveries: 0, lateSeconds: 0 }];
  webhookMetrics(metrics, {
    async depth() {
      const depth = depths[asked];
      asked += 1;
      if (depth == null) throw new Error("PostgreSQL is away");
      return depth;
    },
  });
  const told = async () =>
    (await metrics.text()).split("\n").filter((line) => line.startsWith("payflow_webhook_queue_"));
  const figures = (deliveries: number, late: number) => [
    `payflow_webhook_queue_deliveries{service="notifier"} ${deliveries}`,
    `payflow_webhook_queue_late_seconds{service="notifier"} ${late}`,
  ];
  expect(await told()).toEqual(figures(3, 1.5));
  expect(await told()).toEqual(figures(3, 1.5));
  expect(await told()).toEqual(figures(0, 0));
  expect(asked).toBe(3);
});
