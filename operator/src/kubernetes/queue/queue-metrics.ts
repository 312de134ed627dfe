import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";

/** What a queue tells of itself. */
export interface QueueMetrics {
  added(): void;
  retried(): void;
  depth(count: number): void;
  started(key: string, waitedSeconds: number): void;
  finished(key: string, tookSeconds: number): void;
}

const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];

/**
 * The metrics of a process's queues, with the names and labels that controller-runtime made standard. Made
 * once a process; gives each queue its own by name.
 */
export function createQueueMetrics(metrics: Metrics): (name: string) => QueueMetrics {
  const names = ["name", "controller"] as const;
  const depth = metrics.gauge("workqueue_depth", "Keys that wait.", names);
  const adds = metrics.counter("workqueue_adds_total", "Keys that were added.", names);
  const retries = metrics.counter("workqueue_retries_total", "Keys that were added after a failure.", names);
  const waiting = metrics.histogram("workqueue_queue_duration_seconds", "Waited for.", names, seconds);
  const working = metrics.histogram("workqueue_work_duration_seconds", "Worked on.", names, seconds);
  const startedAt = new Map<string, Map<string, number>>();
  const agesOf = (name: string) =>
    [...(startedAt.get(name)?.values() ?? [])].map((at) => (performance.now() - at) / 1_000);
  metrics.gauge("workqueue_unfinished_work_seconds", "Sum of the work under way.", names, (gauge) => {
    for (const name of startedAt.keys()) {
      const sum = agesOf(name).reduce((total, age) => total + age, 0);
      gauge.set({ name, controller: name }, sum);
    }
  });
  metrics.gauge("workqueue_longest_running_processor_seconds", "Oldest work under way.", names, (gauge) => {
    for (const name of startedAt.keys()) {
      gauge.set({ name, controller: name }, Math.max(0, ...agesOf(name)));
    }
  });
  return (name) => {
    const labels = { name, controller: name };
    const own = new Map<string, number>();
    startedAt.set(name, own);
    adds.inc(labels, 0);
    retries.inc(labels, 0);
    depth.set(labels, 0);
    return {
      added: () => adds.inc(labels),
      retried: () => retries.inc(labels),
      depth: (count) => depth.set(labels, count),
      started(key, waitedSeconds) {
        own.set(key, performance.now());
        waiting.observe(labels, waitedSeconds);
      },
      finished(key, tookSeconds) {
        own.delete(key);
        working.observe(labels, tookSeconds);
      },
    };
  };
}
