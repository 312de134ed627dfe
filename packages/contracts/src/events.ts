import { type Static, type TObject, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { ModeSchema } from "./access.ts";
import { Currency, nullable, oneOf, Timestamp } from "./fields.ts";

const Id = Type.String({ minLength: 1, maxLength: 100 });
const Minor = Type.Integer({ minimum: 0 });
const ProcessorError = nullable(Type.Object({ code: Type.String(), message: Type.String() }));

/** How a payment came to its fraud decision: a score, the tenant's fail mode, or not at all. */
export const Scoring = Type.Object({
  decision: nullable(oneOf(["allow", "flag", "review", "block"])),
  source: oneOf(["score", "fail_mode", "none"]),
});

/** The data of each topic's events. Fields may be added within a version, never removed or changed. */
const topicData = {
  "payment.created": Type.Object({
    payment_id: Id,
    amount: Minor,
    currency: Currency,
    status: oneOf(["processing"]),
    capture_method: oneOf(["automatic", "manual"]),
    description: nullable(Type.String()),
    customer_id: nullable(Type.String()),
    card_fingerprint: nullable(Type.String()),
    ip: nullable(Type.String()),
    created_at: Timestamp,
  }),
  "payment.authorized": Type.Object({
    payment_id: Id,
    amount: Minor,
    currency: Currency,
    status: oneOf(["authorized", "flagged"]),
    scoring: Scoring,
    authorized_at: Timestamp,
  }),
  "payment.settled": Type.Object({
    payment_id: Id,
    amount: Minor,
    currency: Currency,
    status: oneOf(["succeeded", "failed", "voided", "expired", "flagged"]),
    amount_captured: Minor,
    error: ProcessorError,
    customer_id: nullable(Type.String()),
    card_fingerprint: nullable(Type.String()),
    scoring: Scoring,
    settled_at: Timestamp,
  }),
  "refund.initiated": Type.Object({
    refund_id: Id,
    payment_id: Id,
    amount: Minor,
    currency: Currency,
    reason: nullable(Type.String()),
    initiated_at: Timestamp,
  }),
  "refund.settled": Type.Object({
    refund_id: Id,
    payment_id: Id,
    amount: Minor,
    currency: Currency,
    status: oneOf(["succeeded", "failed"]),
    error: ProcessorError,
    settled_at: Timestamp,
  }),
  "fraud.flagged": Type.Object({
    payment_id: Id,
    rule_triggered: Type.String(),
    risk_score: Type.Number({ minimum: 0 }),
    decision: oneOf(["flag", "review", "block"]),
    late: Type.Boolean(),
    refund: Type.Boolean({ description: "The policy wants what was captured refunded." }),
    flagged_at: Timestamp,
  }),
  "tenant.changed": Type.Object({
    change: oneOf(["registered", "updated", "suspended", "resumed", "limits"]),
    name: Type.String(),
    status: oneOf(["active", "suspended"]),
    changed_at: Timestamp,
  }),
} as const satisfies Record<string, TObject>;

export type Topic = keyof typeof topicData;
export const topics = Object.keys(topicData) as readonly Topic[];
export type EventData<T extends Topic> = Static<(typeof topicData)[T]>;

/** What travels on the bus. `sequence` counts the events that payment emits for one payment, from 1. */
export interface EventEnvelope<T extends Topic = Topic> {
  readonly event_id: string;
  readonly type: T;
  readonly version: 1;
  readonly tenant_id: string;
  readonly mode: "live" | "test";
  /**
   * Events of one key keep their order within a topic: the payment's id, or the tenant's for
   * `tenant.changed`.
   */
  readonly key: string;
  readonly sequence: number | null;
  readonly occurred_at: string;
  readonly request_id: string | null;
  readonly traceparent?: string;
  readonly data: EventData<T>;
}

/** The schema of a topic's whole envelope, as written into `docs/events/`. */
export function envelopeSchema(topic: Topic) {
  return Type.Object({
    event_id: Id,
    type: Type.Literal(topic),
    version: Type.Literal(1),
    tenant_id: Id,
    mode: ModeSchema,
    key: Type.String({ minLength: 1, maxLength: 255 }),
    sequence: nullable(Type.Integer({ minimum: 1 })),
    occurred_at: Timestamp,
    request_id: nullable(Type.String({ maxLength: 255 })),
    traceparent: Type.Optional(Type.String({ maxLength: 55 })),
    data: topicData[topic],
  });
}

const checks = new Map<string, TypeCheck<ReturnType<typeof envelopeSchema>>>(
  topics.map((topic) => [topic, TypeCompiler.Compile(envelopeSchema(topic))]),
);

/**
 * The event, checked against its topic's schema; throws with the first problem named. Fields not known yet
 * are kept.
 */
export function checkEvent(value: unknown): EventEnvelope {
  const type = typeof value === "object" && value !== null && "type" in value ? String(value.type) : "";
  const check = checks.get(type);
  if (check === undefined) throw new Error(`no topic is called ${JSON.stringify(type)}`);
  if (!check.Check(value)) {
    const problem = check.Errors(value).First();
    throw new Error(`event of ${type} is malformed at ${problem?.path ?? "/"}: ${problem?.message ?? "?"}`);
  }
  // The check has just shown the shape; the cast joins the topic's name with its data.
  return value as unknown as EventEnvelope;
}

export const apps = ["payment", "ledger", "notifier", "tenant", "fraud", "ingest"] as const;
export type App = (typeof apps)[number];

/**
 * Every consumer group, the app that runs it and what it reads. A group gets each event from its creation on.
 */
export const consumerGroups = {
  payment: { app: "payment", topics: ["fraud.flagged"] },
  ledger: { app: "ledger", topics: ["payment.settled", "refund.settled"] },
  notifier: {
    app: "notifier",
    topics: [
      "payment.created",
      "payment.authorized",
      "payment.settled",
      "refund.initiated",
      "refund.settled",
      "fraud.flagged",
    ],
  },
  fraud: { app: "fraud", topics: ["payment.created", "payment.authorized", "payment.settled"] },
  ingest: { app: "ingest", topics: ["payment.settled", "refund.settled"] },
} as const satisfies Record<string, { app: App; topics: readonly Topic[] }>;

export type ConsumerGroup = keyof typeof consumerGroups;
