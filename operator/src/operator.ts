import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { FraudPolicyReconciler } from "./fraud-policy/fraud-policy.reconciler.ts";
import { type CrashPoint, noCrash } from "./governing/crash-point.ts";
import { createDriftReporter } from "./governing/drift.ts";
import { createGovernedApp } from "./governing/governed-app.ts";
import { beginLeading } from "./governing/leading.ts";
import type { Reconciling } from "./governing/reconciling.ts";
import { KeyPace } from "./keys/key-pace.ts";
import type { KubernetesClient } from "./kubernetes/client/client.ts";
import { Controller } from "./kubernetes/controller/controller.ts";
import type { Reconciler } from "./kubernetes/controller/reconciler.ts";
import { type ElectionTiming, startElection } from "./kubernetes/election/election.ts";
import type { Term } from "./kubernetes/election/term.ts";
import { createQueueMetrics } from "./kubernetes/queue/queue-metrics.ts";
import { WorkQueue } from "./kubernetes/queue/work-queue.ts";
import { createTenantReconciler } from "./tenant/tenant.reconciler.ts";
import { type Enqueue, startWatching, type Watching } from "./watching.ts";
import { WebhookEndpointReconciler } from "./webhook-endpoint/webhook-endpoint.reconciler.ts";

export interface OperatorOptions {
  readonly client: KubernetesClient;
  readonly apps: {
    readonly tenant: InternalClient;
    readonly notifier: InternalClient;
    readonly fraud: InternalClient;
  };
  /** What tells this cluster from others that use the same apps. */
  readonly cluster: string;
  /** Where the Lease is. */
  readonly namespace: string;
  /** Unlike any other process's, new at each start. */
  readonly identity: string;
  /** Where resources are looked for; everywhere when empty. */
  readonly watchNamespaces: readonly string[];
  readonly resyncMs: number;
  /** How often the status tells of an endpoint's deliveries at most. */
  readonly deliveryStatusMs: number;
  readonly timing?: ElectionTiming;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly crash?: CrashPoint;
  readonly now?: () => Date;
}

export interface Operator {
  /** Whether everything has been listed once. */
  isSynced(): boolean;
  isLeading(): boolean;
  /** Ends what is under way and gives the Lease up. */
  stop(): Promise<void>;
}

const leaseName = "payflow-operator";
const eventFlushMs = 60_000;
/** After an outage of seconds all is right again soon; a thousand objects are not all asked about at once. */
const retrying = { backoff: { firstMs: 50, maxMs: 15_000 }, retriesPerSecond: 100, burst: 200 };

/** Watches from now on, so that it is warm when it leads, and acts while it holds the Lease. */
export function startOperator(options: OperatorOptions): Operator {
  const { client, namespace, identity, logger, metrics, timing } = options;
  const queueMetrics = createQueueMetrics(metrics);
  const byName = new Map<string, ReturnType<typeof queueMetrics>>();
  const queueOf = (name: string) => {
    const known = byName.get(name) ?? queueMetrics(name);
    byName.set(name, known);
    return new WorkQueue({ metrics: known, ...retrying });
  };
  // A process that leads again goes on where it was: a term that ends gives nobody more keys.
  const keyPace = new KeyPace();
  let current: Enqueue | undefined;
  const watching = startWatching({
    client,
    logger,
    namespaces: options.watchNamespaces,
    enqueue: {
      tenants: (key) => current?.tenants(key),
      endpoints: (key) => current?.endpoints(key),
      policies: (key) => current?.policies(key),
    },
  });
  const election = startElection({
    ...{ client, identity, logger, metrics, ...(timing === undefined ? {} : { timing }) },
    lease: { namespace, name: leaseName },
    async lead(term) {
      await Promise.race([watching.synced, ended(term)]);
      if (!term.isHeld()) return;
      const reconciling = reconcilingOf(options, watching, term, keyPace);
      const flushing = setInterval(() => void reconciling.leading.events.flush(), eventFlushMs);
      const controllers = createControllers(options, reconciling, queueOf);
      current = controllers.enqueue;
      controllers.enqueueAll();
      await controllers.run(term.signal);
      current = undefined;
      clearInterval(flushing);
    },
  });
  return {
    isSynced: watching.isSynced,
    isLeading: election.isLeading,
    async stop() {
      await election.stop();
      await watching.stop();
    },
  };
}

function reconcilingOf(
  options: OperatorOptions,
  { watched }: Watching,
  term: Term,
  keyPace: KeyPace,
): Reconciling {
  const {
    client,
    identity,
    logger,
    metrics,
    cluster,
    apps,
    deliveryStatusMs,
    crash = noCrash,
    now = () => new Date(),
  } = options;
  const lease = { namespace: options.namespace, name: leaseName };
  const leading = beginLeading(term, { client, lease, identity, logger, crash });
  const governed = (app: InternalClient) => createGovernedApp({ app, leading, cluster, logger, crash });
  return {
    ...{ leading, watched, crash, now, logger, deliveryStatusMs, keyPace },
    apps: {
      tenant: governed(apps.tenant),
      notifier: governed(apps.notifier),
      fraud: governed(apps.fraud),
    },
    drift: createDriftReporter(leading, metrics),
  };
}

function createControllers(
  options: OperatorOptions,
  reconciling: Reconciling,
  queueOf: (name: string) => WorkQueue,
) {
  const { logger, metrics, resyncMs } = options;
  const running: ((signal: AbortSignal) => Promise<void>)[] = [];
  /** Gives what asks for a pass. */
  function control<O, P, R>(name: string, reconciler: Reconciler<O, P, R>, maxConcurrent: number) {
    const controller = new Controller({
      ...{ name, reconciler, queue: queueOf(name), logger, metrics, maxConcurrent, resyncMs },
    });
    running.push((signal) => controller.run(signal));
    return (key: string) => controller.enqueue(key);
  }
  const enqueue: Enqueue = {
    tenants: control("tenant", createTenantReconciler(reconciling), 16),
    endpoints: control("webhookendpoint", new WebhookEndpointReconciler(reconciling), 16),
    policies: control("fraudpolicy", new FraudPolicyReconciler(reconciling), 4),
  };
  const { tenants, endpoints, policies } = reconciling.watched;
  return {
    enqueue,
    enqueueAll() {
      for (const key of policies.keys()) enqueue.policies(key);
      for (const key of tenants.keys()) enqueue.tenants(key);
      for (const key of endpoints.keys()) enqueue.endpoints(key);
    },
    async run(signal: AbortSignal) {
      await Promise.all(running.map((run) => run(signal)));
    },
  };
}

function ended({ signal }: Term): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
