import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";

export type PassResult = "success" | "error" | "requeue" | "requeue_after";

export interface ControllerMetrics {
  began(): void;
  ended(result: PassResult, tookSeconds: number): void;
  failed(isFinal: boolean): void;
}

const results: readonly PassResult[] = ["success", "error", "requeue", "requeue_after"];

/** A controller's metrics, with the names and labels of controller-runtime. */
export function controllerMetrics(metrics: Metrics, controller: string, places: number): ControllerMetrics {
  const names = ["controller"] as const;
  const total = metrics.counter("controller_runtime_reconcile_total", "Passes by how they ended.", [
    "controller",
    "result",
  ]);
  const errors = metrics.counter("controller_runtime_reconcile_errors_total", "Passes that failed.", names);
  const finals = metrics.counter(
    "controller_runtime_terminal_reconcile_errors_total",
    "Failures that are not tried again.",
    names,
  );
  const time = metrics.histogram("controller_runtime_reconcile_time_seconds", "Length of a pass.", names);
  const active = metrics.gauge("controller_runtime_active_workers", "Passes under way.", names);
  metrics
    .gauge("controller_runtime_max_concurrent_reconciles", "Passes that may be under way.", names)
    .set({ controller }, places);
  for (const result of results) total.inc({ controller, result }, 0);
  errors.inc({ controller }, 0);
  finals.inc({ controller }, 0);
  active.set({ controller }, 0);
  return {
    began: () => active.inc({ controller }),
    ended(result, tookSeconds) {
      active.dec({ controller });
      total.inc({ controller, result });
      time.observe({ controller }, tookSeconds);
    },
    failed(isFinal) {
      errors.inc({ controller });
      if (isFinal) finals.inc({ controller });
    },
  };
}
