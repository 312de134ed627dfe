import { expect, test } from "bun:test";
import { latencySeconds, Metrics } from "./metrics.ts";

const values = [0, 0.0005, 0.0006, 0.02, 59, 61, 3_600];

test("timings are told as prom-client tells a histogram", async () => {
  const [own, other] = [new Metrics("x"), new Metrics("x")];
  const histogram = other.histogram("payflow_test_seconds", "Help.", ["route", "status"]);
  for (const [route, status] of [
    ["/a", 200],
    ["/b", 500],
  ] as const) {
    for (const value of values) {
      own.timings("payflow_test_seconds", "Help.").series({ route, status }).observe(value);
      histogram.observe({ route, status }, value);
    }
  }
  const told = async (metrics: Metrics) =>
    (await metrics.registry.getSingleMetricAsString("payflow_test_seconds")).split("\n");
  expect(await told(own)).toEqual(await told(other));
  expect(Bun.inspect(await own.registry.getMetricsAsJSON())).toContain("payflow_test_seconds_bucket");
  expect((await told(own)).length).toBeGreaterThan(2 * latencySeconds.length);
});

test("the same labels are one series, whoever asks for them", async () => {
  const metrics = new Metrics("x");
  const ask = () => metrics.timings("payflow_test_seconds", "Help.").series({ route: "/a" });
  ask().observe(1);
  ask().observe(2);
  expect(await metrics.text()).toContain('payflow_test_seconds_count{service="x",route="/a"} 2');
});
