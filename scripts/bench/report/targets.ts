/** What a figure is to reach: the floor at least, the goal if possible. */
export interface Target {
  readonly bench: string;
  /** The figure, or its ratio to the baseline. */
  readonly figure: string;
  readonly isRatio?: true;
  readonly says: string;
  readonly floor?: number;
  readonly goal?: number;
  /** Whether a smaller figure is the better one. */
  readonly isLess?: true;
}

export const targets: readonly Target[] = [
  { bench: "payments", figure: "payments_per_second", says: "payments a second", floor: 2_000, goal: 5_000 },
  {
    bench: "payments",
    figure: "payments_per_second",
    isRatio: true,
    says: "beside a naive gateway's SQL by pgbench",
    floor: 0.5,
    goal: 1.2,
  },
  { bench: "payments", figure: "half_load_p99_ms", says: "p99 at half load, ms", goal: 100, isLess: true },
  {
    bench: "payments",
    figure: "booked_p99_ms_at_1000",
    says: "accepted to booked at 1,000/s, p99, ms",
    floor: 2_000,
    goal: 300,
    isLess: true,
  },
  {
    bench: "payments",
    figure: "replays_per_second",
    says: "idempotent replays a second",
    floor: 8_000,
    goal: 20_000,
  },
  {
    bench: "ledger",
    figure: "postings_per_second",
    says: "postings on one hot account a second",
    floor: 20_000,
    goal: 45_000,
  },
  {
    bench: "ledger",
    figure: "postings_per_second",
    isRatio: true,
    says: "beside a commit a booking by pgbench",
    floor: 15,
    goal: 30,
  },
  {
    bench: "webhooks",
    figure: "deliveries_per_second",
    says: "webhooks signed and logged a second",
    floor: 3_000,
    goal: 8_000,
  },
  {
    bench: "webhooks",
    figure: "healthy_at_500_with_5_percent_hanging_p99_ms",
    says: "healthy endpoints at 500/s with 5 % hanging, p99, ms",
    floor: 1_000,
    goal: 250,
    isLess: true,
  },
  {
    bench: "webhooks",
    figure: "commit_to_request_at_1000_p99_ms",
    says: "commit to request at 1,000/s, p99, ms",
    goal: 100,
    isLess: true,
  },
  {
    bench: "fraud",
    figure: "scores_per_second",
    says: "scores with 20 rules a second",
    floor: 8_000,
    goal: 25_000,
  },
  { bench: "fraud", figure: "at_5000_p99_ms", says: "scores at 5,000/s, p99, ms", goal: 5, isLess: true },
  {
    bench: "bus",
    figure: "events_per_second",
    says: "events through outbox and consumer a second",
    floor: 15_000,
    goal: 40_000,
  },
  {
    bench: "bus over Kafka",
    figure: "events_per_second",
    says: "events through outbox and consumer a second",
    floor: 15_000,
    goal: 40_000,
  },
  {
    bench: "ingest",
    figure: "single_events_per_second",
    says: "events a second, one a request",
    floor: 25_000,
    goal: 45_000,
  },
  {
    bench: "ingest",
    figure: "single_events_per_second",
    isRatio: true,
    says: "one a request, beside the three-command server",
    floor: 1.5,
    goal: 3,
  },
  {
    bench: "ingest",
    figure: "batch_events_per_second",
    says: "events a second, 100 a request",
    floor: 50_000,
    goal: 120_000,
  },
  { bench: "ingest", figure: "half_load_p99_ms", says: "p99 at half load, ms", goal: 20, isLess: true },
  { bench: "ingest", figure: "memory_ingest_api", says: "memory of the API, MiB", goal: 190, isLess: true },
  {
    bench: "operator",
    figure: "all_ready_seconds",
    says: "2,050 resources from nothing to all ready, s",
    floor: 60,
    goal: 20,
    isLess: true,
  },
  {
    bench: "operator",
    figure: "apply_to_ready_at_5_p99_ms",
    says: "apply to ready at 5 tenants a second, p99, ms",
    floor: 2_000,
    goal: 300,
    isLess: true,
  },
  {
    bench: "operator",
    figure: "operator_memory_mib",
    says: "memory with 2,250 resources, MiB",
    floor: 143,
    isLess: true,
  },
  {
    bench: "operator",
    figure: "steady_requests_per_second",
    says: "API requests a second while nothing changes",
    floor: 2,
    isLess: true,
  },
  {
    bench: "operator",
    figure: "restart_settled_seconds",
    says: "from taking the Lease to settled, s",
    floor: 5,
    isLess: true,
  },
  ...["list", "balance", "create"].map(
    (operation): Target => ({
      bench: "payments",
      figure: `${operation}_cpu_growth_1e4_to_1e6`,
      says: `${operation} with 10^6 payments beside 10^4, processor time`,
      floor: 1.2,
      isLess: true,
    }),
  ),
];
