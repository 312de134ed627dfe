import type { Mode } from "@payflow/contracts/access.ts";
import type { FraudDecision, PolicyMode } from "@payflow/contracts/internal-fraud.ts";
import { eventBusTable } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { governedObjectTable, operatorFenceTable } from "@payflow/service-kit/governing/governed.ts";
import { outboxTable } from "@payflow/service-kit/outbox/outbox.ts";
import { byteText, instant } from "@payflow/service-kit/store/columns.ts";
import { leaseTable } from "@payflow/service-kit/store/lease.ts";
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
} from "drizzle-orm/pg-core";
import type { Action, Policy } from "./policies/policy.ts";

const mode = () => text("mode").$type<Mode>().notNull();
const isMode = sql`mode in ('live', 'test')`;

/** Every policy that was in force and may still be named by a decision, by its hash. */
export const policyVersion = pgTable("policy_version", {
  hash: byteText("hash").primaryKey(),
  document: jsonb("document").$type<Policy>().notNull(),
  /** When it was last known to be in force; what no policy refers to goes some time after. */
  usedAt: instant("used_at").notNull().defaultNow(),
});

/** The policy of a tenant in a mode; without a row the default policy holds. */
export const policy = pgTable(
  "policy",
  {
    tenantId: byteText("tenant_id").notNull(),
    mode: mode(),
    hash: byteText("hash").notNull(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.mode] }),
    foreignKey({ columns: [table.hash], foreignColumns: [policyVersion.hash] }),
    index("policy_hash").on(table.hash),
    check("policy_mode", isMode),
  ],
);

/** The policy that a FraudPolicy resource makes of its spec; it holds in every mode of its tenants. */
export const governedPolicy = pgTable("governed_policy", {
  policyId: byteText("policy_id").primaryKey(),
  mode: text("mode").$type<PolicyMode>().notNull(),
  hash: byteText("hash")
    .notNull()
    .references(() => policyVersion.hash),
  /** The number of its latest change, by which replicas tell that they apply it. */
  revision: bigint("revision", { mode: "number" }).notNull(),
  updatedAt: instant("updated_at").notNull().defaultNow(),
});

/** Which resource's policy governs a tenant, by the tenant's word as of that generation. */
export const policyAssignment = pgTable(
  "policy_assignment",
  {
    tenantId: byteText("tenant_id").primaryKey(),
    policyId: byteText("policy_id").notNull(),
    tenantGeneration: bigint("tenant_generation", { mode: "number" }).notNull(),
  },
  (table) => [index("policy_assignment_policy").on(table.policyId)],
);

/** One row: its lock gives changes of resources' policies their numbers in the order of their commits. */
export const policyRevision = pgTable(
  "policy_revision",
  {
    only: boolean("only").primaryKey().default(true),
    number: bigint("number", { mode: "number" }).notNull().default(0),
  },
  () => [check("policy_revision_only", sql`"only"`)],
);

/** Up to which change each running replica applies resources' policies. */
export const policyReplica = pgTable("policy_replica", {
  replica: text("replica").primaryKey(),
  revision: bigint("revision", { mode: "number" }).notNull(),
  seenAt: instant("seen_at").notNull().defaultNow(),
});

/** What the operator governs, and the newest of its leaders. */
export const governedObject = governedObjectTable;
export const operatorFence = operatorFenceTable;

/** The first and only decision on a payment. It is never changed: asked again, fraud answers it again. */
export const decision = pgTable(
  "decision",
  {
    paymentId: byteText("payment_id").primaryKey(),
    tenantId: byteText("tenant_id").notNull(),
    mode: mode(),
    decision: text("decision").$type<FraudDecision>().notNull(),
    score: smallint("score").notNull(),
    rules: text("rules").array().notNull(),
    /** What each rule of the policy saw, in the policy's order; null where it was not judged. */
    seen: doublePrecision("seen").array().$type<(number | null)[]>().notNull(),
    /** The rule to name where only one can be. */
    trigger: text("trigger"),
    policyHash: byteText("policy_hash").notNull(),
    /** In canonical spelling; a failure is counted by it later, and the event of that does not carry it. */
    ip: text("ip"),
    decidedAt: instant("decided_at").notNull().defaultNow(),
    /** When the second look at a payment that was not scored in time was done with. */
    lookedAt: instant("looked_at"),
  },
  (table) => [
    check("decision_mode", isMode),
    check("decision_decision", sql`${table.decision} in ('allow', 'flag', 'review', 'block')`),
    check("decision_score", sql`${table.score} between 0 and 100`),
  ],
);

/** Every `fraud.flagged` event there was. A payment has one for a cause, in time or late. */
export const flag = pgTable(
  "flag",
  {
    paymentId: byteText("payment_id").notNull(),
    isLate: boolean("is_late").notNull(),
    ruleTriggered: text("rule_triggered").notNull(),
    eventId: byteText("event_id").notNull(),
    tenantId: byteText("tenant_id").notNull(),
    mode: mode(),
    decision: text("decision").$type<Action>().notNull(),
    riskScore: smallint("risk_score").notNull(),
    isRefundWanted: boolean("is_refund_wanted").notNull(),
    flaggedAt: instant("flagged_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.paymentId, table.isLate, table.ruleTriggered] }),
    index("flag_by_tenant").on(table.tenantId, table.mode, table.eventId),
    check("flag_mode", isMode),
    check("flag_decision", sql`${table.decision} in ('flag', 'review', 'block')`),
  ],
);

/**
 * What is known of a payment that may have gone on without a score: its facts from `payment.created`, what
 * was applied from `payment.authorized` or `payment.settled`. The events come in any order; with both, it is
 * scored.
 */
export const secondLook = pgTable(
  "second_look",
  {
    paymentId: byteText("payment_id").primaryKey(),
    tenantId: byteText("tenant_id").notNull(),
    mode: mode(),
    amount: bigint("amount", { mode: "number" }),
    currency: text("currency"),
    customerId: text("customer_id"),
    cardFingerprint: text("card_fingerprint"),
    ip: text("ip"),
    requestId: text("request_id"),
    applied: text("applied").$type<FraudDecision>(),
    source: text("source").$type<"fail_mode" | "none">(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    check("second_look_mode", isMode),
    check("second_look_applied", sql`${table.applied} in ('allow', 'flag', 'review', 'block')`),
    check("second_look_source", sql`${table.source} in ('fail_mode', 'none')`),
    check("second_look_pair", sql`(${table.applied} is null) = (${table.source} is null)`),
  ],
);

export const outbox = outboxTable;
export const lease = leaseTable;
export const eventBus = eventBusTable;
