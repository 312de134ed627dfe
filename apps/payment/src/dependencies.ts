import type { Background } from "@payflow/service-kit/concurrency/background.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { PaymentConfig } from "./config.ts";
import type { Admission } from "./idempotency/admission.ts";
import { findKey } from "./idempotency/idempotency.store.ts";
import { createScorer } from "./payments/fraud/score-payment.ts";
import { applyFlagsOf } from "./payments/fraud/take-flags.ts";
import { paymentStore } from "./payments/payments.store.ts";
import { withDeadline } from "./processor/deadline.ts";
import type { Processor } from "./processor/processor.ts";
import type { CallTime } from "./recovery/hold.ts";
import { firstLease, inquirySchedule } from "./recovery/inquiry-schedule.ts";
import type { PaymentRow } from "./schema.ts";

/** What a process has opened, from which the use cases get what they need. */
export interface Parts extends Admission {
  readonly config: Pick<
    PaymentConfig,
    | "FRAUD_TIMEOUT_MS"
    | "PROCESSOR_TIMEOUT_MS"
    | "AUTHORIZATION_SECONDS"
    | "INQUIRY_FIRST_MS"
    | "INQUIRY_MAX_MS"
    | "INTERNAL_SERVICE_SECRET"
  >;
  readonly database: Database;
  readonly processor: Processor;
  readonly fraud: InternalClient;
  readonly background: Background;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Called after commits that left events in the outbox. */
  readonly wakeRelay: () => void;
  /** Called after commits that left work to recovery. */
  readonly wakeRecovery: () => void;
}

/** How long an authorization that the processor would not release is left alone. */
const refusedExpiryMs = 3_600_000;

/** The use cases' dependencies, the same in the service and in tests. */
export function createDependencies(parts: Parts) {
  const { config, database, logger, metrics } = parts;
  const { sql } = database;
  const processorCall: CallTime = {
    timeoutMs: config.PROCESSOR_TIMEOUT_MS,
    lingerMs: parts.processor.lingerMs,
  };
  const schedule = inquirySchedule(config, processorCall);
  const firstLeaseMs = firstLease(config, processorCall);
  return {
    sql,
    logger,
    metrics,
    schedule,
    firstLeaseMs,
    firstInquiryMs: schedule.firstInquiryMs,
    refusedExpiryMs,
    processorCall,
    authorizationMs: config.AUTHORIZATION_SECONDS * 1_000,
    clock: new StoreClock(sql),
    outboxLimit: parts.outboxLimit,
    cursors: createCursors(config.INTERNAL_SERVICE_SECRET),
    processor: withDeadline(parts.processor, config.PROCESSOR_TIMEOUT_MS),
    scorer: createScorer({ fraud: parts.fraud, timeoutMs: config.FRAUD_TIMEOUT_MS, logger, metrics }),
    payments: paymentStore(database, { leaseMs: firstLeaseMs, onEvents: parts.wakeRelay }),
    findKey: (id: string) => findKey(sql, id),
    inBackground: (work: Promise<unknown>) => parts.background.add(work),
    onLateFlag: (payment: PaymentRow) =>
      applyFlagsOf({ sql, wakeRecovery: parts.wakeRecovery, onEvents: parts.wakeRelay }, payment.id),
    wakeRecovery: parts.wakeRecovery,
    onEvents: parts.wakeRelay,
  };
}
