import type { Histogram, Registry } from "prom-client";

/** One combination of labels of a histogram. */
export interface Series {
  observe(value: number): void;
}

interface Counted extends Series {
  readonly labels: Readonly<Record<string, string | number>>;
  /** Of each bucket, and behind the last one. */
  readonly counts: number[];
  sum: number;
}

/**
 * A histogram for what is observed with every request: whoever observes holds the series, so that its labels
 * are not looked up each time, which costs prom-client more than the counting.
 */
export class Timings {
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Counted>();

  constructor(registry: Registry, name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    // The registry asks a metric for its name and `get` alone; its type names prom-client's own classes.
    registry.registerMetric(this as unknown as Histogram);
  }

  /** The series of these labels, given in the same order each time. */
  series(labels: Readonly<Record<string, string | number>>): Series {
    const bounds = this.#bounds;
    const place = JSON.stringify(labels);
    const known = this.#series.get(place);
    if (known !== undefined) return known;
    const made: Counted = {
      labels,
      counts: new Array(bounds.length + 1).fill(0),
      sum: 0,
      observe(value) {
        let bucket = 0;
        while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
        made.counts[bucket] = (made.counts[bucket] ?? 0) + 1;
        made.sum += value;
      },
    };
    this.#series.set(place, made);
    return made;
  }

  /** For the registry: counts by bucket, each with those below it, then sum and count. */
  async get() {
    const values = [...this.#series.values()].flatMap((one) => this.#valuesOf(one));
    const labelled = values.map(({ sharedLabels, ...value }) => ({
      ...value,
      labels: { ...value.labels, ...sharedLabels },
    }));
    return { ...this.#described(), values: labelled };
  }

  /** The same for its text, where labels follow those of the process. */
  async getForPromString() {
    return { ...this.#described(), values: [...this.#series.values()].flatMap((one) => this.#valuesOf(one)) };
  }

  #described() {
    return { name: this.name, help: this.help, type: "histogram", aggregator: "sum" };
  }

  reset(): void {
    for (const one of this.#series.values()) {
      one.counts.fill(0);
      one.sum = 0;
    }
  }

  #valuesOf({ labels: sharedLabels, counts, sum }: Counted) {
    let below = 0;
    const buckets = counts.map((count, index) => {
      below += count;
      const labels: Record<string, string | number> = { le: this.#bounds[index] ?? "+Inf" };
      return { metricName: `${this.name}_bucket`, labels, value: below, sharedLabels };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels: {}, value: sum, sharedLabels },
      { metricName: `${this.name}_count`, labels: {}, value: below, sharedLabels },
    ];
  }
}
