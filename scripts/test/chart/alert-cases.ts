/** What Prometheus reads of an app, and which alerts are firing then. */
export interface AlertCase {
  readonly says: string;
  readonly app: string;
  /**
   * Values of series by their names and own labels, every 30 seconds, as promtool writes them: `0+2x20` grows
   * by 2 twenty times, `_x4` is nothing. The labels of the app's pods are added.
   */
  readonly series: Readonly<Record<string, string>>;
  readonly after: string;
  readonly firing: readonly string[];
}

const requests = (status: number, route = "/payments") =>
  `payflow_http_request_seconds_count{pod="a",status="${status}",route="${route}"}`;
const scores = requests(200, "/internal/v1/scores");
const letters = 'payflow_bus_dead_letters_total{pod="a",topic="payment.settled"}';
const behind = 'payflow_bus_lag_seconds{pod="a",topic="payment.settled"}';
const beats = (outcome: string) => `payflow_tenant_change_beats_total{pod="a",outcome="${outcome}"}`;
const drift = 'payflow_operator_drift_total{pod="a",kind="Tenant",field="status"}';

/** `values` of a series that is as it should be, and of one that is not, each for half an hour. */
function gauge(app: string, alert: string, series: string, [fine, bad]: readonly number[], after: string) {
  return [
    { says: `${alert} at ${bad}`, app, series: { [series]: `${bad}x60` }, after, firing: [alert] },
    { says: `${alert} not at ${fine}`, app, series: { [series]: `${fine}x60` }, after, firing: [] },
    { says: `${alert} not at once`, app, series: { [series]: `${bad}x60` }, after: "1m", firing: [] },
  ];
}

/** A count of what must not happen: once is enough, and what was long ago is over. */
function count(app: string, alert: string, series: string, after: string, isOver: string) {
  return [
    { says: `${alert} once`, app, series: { [series]: "0x6 1x300" }, after, firing: [alert] },
    { says: `${alert} over`, app, series: { [series]: "0x6 1x300" }, after: isOver, firing: [] },
    { says: `${alert} never`, app, series: { [series]: "0x300" }, after, firing: [] },
    { says: `${alert} before Prometheus looked`, app, series: { [series]: "7x300" }, after, firing: [] },
  ];
}

export const alertCases: readonly AlertCase[] = [
  {
    ...{ says: "no replica answers", app: "ledger", after: "3m" },
    ...{ series: { 'up{pod="a"}': "0x60" }, firing: ["PayFlowAppDown"] },
  },
  {
    ...{ says: "there is no replica at all", app: "ledger", after: "3m" },
    ...{ series: { 'up{pod="a"}': "_x60" }, firing: ["PayFlowAppDown"] },
  },
  {
    ...{ says: "one of two replicas is away for longer than a restart takes", app: "ledger", after: "11m" },
    ...{ series: { 'up{pod="b"}': "0x60" }, firing: ["PayFlowReplicaDown"] },
  },
  {
    ...{ says: "one of two replicas is restarted", app: "ledger", after: "9m" },
    ...{ series: { 'up{pod="b"}': "0x60" }, firing: [] },
  },
  {
    ...{ says: "one answer in fifty is a 500", app: "payment", after: "8m" },
    ...{ series: { [requests(500)]: "0+2x60", [requests(201)]: "0+98x60" }, firing: ["PayFlowServerErrors"] },
  },
  {
    ...{ says: "one answer in two hundred is a 503, and many are refusals", app: "payment", after: "20m" },
    series: { [requests(503)]: "0+1x60", [requests(201)]: "0+149x60", [requests(422)]: "0+50x60" },
    firing: [],
  },
  ...gauge(
    "notifier",
    "PayFlowEventLoopSlow",
    'payflow_process_event_loop_delay_seconds{pod="a"}',
    [0.2, 0.3],
    "11m",
  ),
  ...gauge("ledger", "PayFlowConsumerBehind", behind, [299, 301], "11m"),
  ...count("notifier", "PayFlowDeadLetters", letters, "5m", "30m"),
  ...gauge("payment", "PayFlowOutboxStuck", 'payflow_outbox_oldest_seconds{pod="a"}', [59, 61], "6m"),
  ...gauge("payment", "PayFlowOutboxFilling", 'payflow_outbox_limit_ratio{pod="a"}', [0.5, 0.51], "6m"),
  ...gauge(
    "payment",
    "PayFlowPaymentsLeftOpen",
    'payflow_recovery_oldest_seconds{pod="a",kind="capture"}',
    [3_600, 3_601],
    "11m",
  ),
  {
    ...{ says: "payments are asked about, and none is scored", app: "fraud", after: "8m" },
    series: { [scores]: "0+9x60", 'payflow_fraud_batch_seconds_count{pod="a"}': "100x60" },
    firing: ["PayFlowPaymentsNotScored"],
  },
  {
    ...{ says: "payments are asked about and scored", app: "fraud", after: "20m" },
    series: { [scores]: "0+9x60", 'payflow_fraud_batch_seconds_count{pod="a"}': "0+1x60" },
    firing: [],
  },
  {
    ...{ says: "nobody pays", app: "fraud", after: "20m" },
    series: { [scores]: "9x60", 'payflow_fraud_batch_seconds_count{pod="a"}': "9x60" },
    firing: [],
  },
  ...gauge("ingest", "PayFlowIngestRefuses", 'payflow_streams_pressure_level{pod="a"}', [0, 1], "6m"),
  ...gauge(
    "ingest",
    "PayFlowStreamsBehind",
    'payflow_streams_lag_seconds{pod="a",group="exports"}',
    [599, 601],
    "11m",
  ),
  ...count(
    "ingest",
    "PayFlowStreamDeadLetters",
    'payflow_streams_dead_letters_total{pod="a",group="exports"}',
    "5m",
    "30m",
  ),
  ...count(
    "ledger",
    "PayFlowLedgerDiffers",
    'payflow_ledger_reconciliation_findings_total{pod="a",kind="missing_in_ledger"}',
    "5m",
    "90m",
  ),
  ...count(
    "ledger",
    "PayFlowLedgerRefusesPostings",
    'payflow_ledger_refused_postings_total{pod="a",type="capture"}',
    "5m",
    "30m",
  ),
  ...gauge("notifier", "PayFlowWebhooksLate", 'payflow_webhook_queue_late_seconds{pod="a"}', [59, 61], "6m"),
  {
    ...{ says: "the cache that changes of keys go to is away", app: "tenant", after: "10m" },
    series: { [beats("published")]: "500x60", [beats("failed")]: "0+30x60" },
    firing: ["PayFlowKeyChangesSilent"],
  },
  {
    ...{ says: "the cache has been away since the start", app: "tenant", after: "10m" },
    ...{ series: { [beats("failed")]: "0+30x60" }, firing: ["PayFlowKeyChangesSilent"] },
  },
  {
    ...{ says: "changes of keys are published", app: "tenant", after: "20m" },
    ...{ series: { [beats("published")]: "0+30x60" }, firing: [] },
  },
  {
    ...{ says: "a governed field is changed again and again", app: "operator", after: "10m" },
    ...{ series: { [drift]: "0x6 1+1x8 9x20" }, firing: ["PayFlowDrift"] },
  },
  {
    ...{ says: "a governed field was changed once", app: "operator", after: "10m" },
    ...{ series: { [drift]: "0x6 1x60" }, firing: [] },
  },
];
