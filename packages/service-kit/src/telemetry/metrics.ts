import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { Timings } from "./timings.ts";

/** Buckets in seconds for latencies from half a millisecond to a minute. */
export const latencySeconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** One process's Prometheus metrics, named `payflow_<area>_<what>_<unit>`. */
export class Metrics {
  readonly registry = new Registry();

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
    this.#processGauges();
  }

  /** A count that only grows. Parts that name the same one share it: both ports of a process do. */
  counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    const known = this.registry.getSingleMetric(name);
    if (known instanceof Counter) return known;
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  /**
   * Shows a count with these labels at 0 before anything is counted: one that is first read at 1 has not
   * grown, for Prometheus, so that an alert of what must never happen would miss the first time.
   */
  static beginAtZero<L extends string>(count: Counter<L>, labels: Readonly<Record<L, string>>): void {
    count.inc({ ...labels }, 0);
  }

  /** A value that goes up and down, shared by name; `collect` refreshes it at each scrape. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L> {
    const known = this.registry.getSingleMetric(name);
    if (known instanceof Gauge && collect === undefined) return known;
    return new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      ...(collect === undefined
        ? {}
        : {
            collect(this: Gauge<L>) {
              return collect(this);
            },
          }),
    });
  }

  /** A distribution, shared by name; the default buckets are latencies in seconds. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    buckets: readonly number[] = latencySeconds,
  ): Histogram<L> {
    const known = this.registry.getSingleMetric(name);
    if (known instanceof Histogram) return known;
    return new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.registry],
    });
  }

  /** Latencies in seconds of what happens with every request, shared by name. */
  timings(name: string, help: string): Timings {
    const known: unknown = this.registry.getSingleMetric(name);
    return known instanceof Timings ? known : new Timings(this.registry, name, help, latencySeconds);
  }

  /** The text format of Prometheus. */
  async text(): Promise<string> {
    return this.registry.metrics();
  }

  // prom-client's own default metrics are wrong on Bun, so the few that matter are set by hand.
  #processGauges(): void {
    // Each look wakes the process, also where nothing else would.
    const delay = monitorEventLoopDelay({ resolution: 100 });
    delay.enable();
    this.gauge("payflow_process_memory_bytes", "Resident memory.", [], (gauge) =>
      gauge.set(process.memoryUsage.rss()),
    );
    this.gauge("payflow_process_cpu_seconds", "Processor time used so far.", [], (gauge) => {
      const usage = process.cpuUsage();
      gauge.set((usage.user + usage.system) / 1e6);
    });
    this.gauge("payflow_process_uptime_seconds", "Time since the start.", [], (gauge) =>
      gauge.set(process.uptime()),
    );
    this.gauge(
      "payflow_process_event_loop_delay_seconds",
      "Delay of the event loop, 99th percentile.",
      [],
      (gauge) => {
        const seconds = delay.percentile(99) / 1e9;
        gauge.set(Number.isFinite(seconds) ? seconds : 0);
        delay.reset();
      },
    );
  }
}
