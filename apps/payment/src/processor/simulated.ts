import { coalesce } from "@payflow/service-kit/concurrency/coalesce.ts";
import { isOutage } from "@payflow/service-kit/store/database.ts";
import type { Sql } from "postgres";
import { paymentErrors } from "../payments/payment.ts";
import {
  type AuthorizeCall,
  type Call,
  type ChargeOutcome,
  type FollowUpOutcome,
  type Inquiry,
  OutcomeUnknown,
  type Processor,
  type Refusal,
} from "./processor.ts";
import {
  type ChargeHistory,
  type ChargeRow,
  type FollowUpRow,
  findCharges,
  findFollowUp,
  type NewCharge,
  type NewFollowUp,
  recordCharges,
  recordFollowUp,
  waitForCharge,
} from "./simulated.store.ts";
import { clockErrorMs, type SimulatedConnection, simulatedLingerMs } from "./simulated-connection.ts";

export interface Simulation extends Pick<SimulatedConnection, "sql" | "clock"> {
  /** Decides, together with the payment's id, what becomes of `pm_card_random`. */
  readonly seed: string;
  /** How long `pm_card_slow` takes; 2,000 when left out. */
  readonly slowMs?: number;
}

/** What each payment method does: the error it fails with, and what happens to the answer. */
interface Behaviour {
  readonly error?: string;
  readonly answer?: "slow" | "lost";
}

const behaviours: Readonly<Record<string, Behaviour>> = {
  pm_card_ok: {},
  pm_card_insufficient_funds: { error: "insufficient_funds" },
  pm_card_declined: { error: "card_declined" },
  pm_card_do_not_honor: { error: "do_not_honor" },
  pm_card_expired: { error: "expired_card" },
  pm_card_invalid_cvv: { error: "invalid_cvv" },
  pm_card_random: {},
  pm_card_slow: { answer: "slow" },
  pm_card_timeout_then_succeeded: { answer: "lost" },
  pm_card_timeout_then_failed: { answer: "lost", error: "card_declined" },
  pm_card_refund_fails: {},
};

/** What the keys of charges begin with, being the ids of payments. */
const paymentPrefix = "pay_";

/** The payment methods this processor knows. */
export const simulatedPaymentMethods = Object.keys(behaviours);

/**
 * A processor for development and tests, with a durable journal in a database of its own: what it did
 * survives any crash and is shared by all replicas, so that a second charge would show. Where a payment
 * method loses the answer or delays it, the effect has been recorded before.
 */
export function simulatedProcessor(simulation: Simulation): Processor {
  const { sql, clock } = simulation;
  const record = coalesce<NewCharge, ChargeRow | null>({
    run: (charges) => recordBatch(sql, charges),
    compare: (left, right) => (left.key < right.key ? -1 : 1),
    maxInFlight: 1,
    isOutage,
  });
  // Told when the call begins: a process that is frozen later has no more time by that.
  const dated = <C extends Call>(call: C) => ({
    ...call,
    lastMs: clock.now().getTime() + call.notAfter - performance.now() + clockErrorMs,
  });
  const followUp = async (call: NewFollowUp) =>
    toFollowUpOutcome((await recordFollowUp(sql, call, judge(call))) ?? neverSent());

  return {
    lingerMs: simulatedLingerMs,
    accepts: (paymentMethod) => Object.hasOwn(behaviours, paymentMethod),
    async authorize(call) {
      const row = await record({ ...dated(call), errorCode: errorOf(simulation.seed, call) });
      if (row === null) return neverSent();
      const answer = behaviours[call.paymentMethod]?.answer;
      if (answer === "slow") await Bun.sleep(simulation.slowMs ?? 2_000);
      if (answer === "lost") await new Promise(() => {});
      return toChargeOutcome(row);
    },
    capture: (call) => followUp({ ...dated(call), action: "capture" }),
    void: (call) => followUp({ ...dated(call), action: "void", amount: null }),
    refund: (call) => followUp({ ...dated(call), action: "refund" }),
    async inquire(key): Promise<Inquiry> {
      if (!key.startsWith(paymentPrefix)) {
        const row = await findFollowUp(sql, key);
        return row === undefined ? { kind: "not_found" } : toFollowUpOutcome(row);
      }
      const [known] = await findCharges(sql, [key]);
      if (known !== undefined) return toChargeOutcome(known);
      // Follow-ups need no such wait: one that was not found is repeated under its key, never given up.
      await waitForCharge(sql, key);
      const [charge] = await findCharges(sql, [key]);
      return charge === undefined ? { kind: "not_found" } : toChargeOutcome(charge);
    },
  };
}

function neverSent(): never {
  throw new OutcomeUnknown("the call waited until its time was over, and was not sent");
}

/** What became of each charge; null for those whose time was over before they were recorded. */
async function recordBatch(sql: Sql, charges: readonly NewCharge[]): Promise<(ChargeRow | null)[]> {
  const now = performance.now();
  // One statement cannot meet the same key twice; whichever of equal ones has the effect answers for all.
  const sendable = new Map(charges.filter((one) => now <= one.notAfter).map((one) => [one.key, one]));
  if (sendable.size === 0) return charges.map(() => null);
  const rows = await recordCharges(sql, [...sendable.values()]);
  const byKey = new Map(rows.map((row) => [row.key, row]));
  return charges.map((one) => byKey.get(one.key) ?? null);
}

/** Nine of ten `pm_card_random` succeed; which ones, follows from seed and payment id alone. */
function errorOf(seed: string, call: AuthorizeCall): string | null {
  if (call.paymentMethod === "pm_card_random") {
    return Bun.hash.xxHash32(`${seed}:${call.key}`) % 10 === 0 ? "card_declined" : null;
  }
  return behaviours[call.paymentMethod]?.error ?? null;
}

/** What a real processor would say to a capture, void or refund, from what it did before. */
function judge(call: NewFollowUp): (history: ChargeHistory) => string | null {
  return ({ charge, followUps }) => {
    if (charge === undefined || charge.error_code !== null) return "charge_not_found";
    const done = followUps.filter((one) => one.error_code === null);
    const sum = (action: FollowUpRow["action"]) =>
      done.filter((one) => one.action === action).reduce((total, one) => total + one.amount, 0);
    const isVoided = done.some((one) => one.action === "void");
    const captured = charge.is_capture ? charge.amount : sum("capture");
    const amount = call.amount ?? charge.amount;
    if (call.action === "refund") {
      if (charge.payment_method === "pm_card_refund_fails") return "refund_declined";
      return sum("refund") + amount > captured ? "refund_exceeds_captured" : null;
    }
    if (captured > 0) return "already_captured";
    if (isVoided) return "already_voided";
    return amount > charge.amount ? "capture_exceeds_authorized" : null;
  };
}

function toChargeOutcome(row: ChargeRow): ChargeOutcome {
  if (row.error_code !== null) return { kind: "failed", error: toRefusal(row.error_code) };
  return { kind: row.is_capture ? "captured" : "authorized", amount: row.amount };
}

function toFollowUpOutcome(row: FollowUpRow): FollowUpOutcome {
  if (row.error_code !== null) return { kind: "failed", error: toRefusal(row.error_code) };
  return { kind: "done", amount: row.amount };
}

const followUpErrors: Readonly<Record<string, string>> = {
  charge_not_found: "The processor knows no such charge.",
  already_captured: "The processor has captured this charge already.",
  already_voided: "The processor has released this charge already.",
  capture_exceeds_authorized: "The processor authorized less.",
  refund_exceeds_captured: "The processor captured less.",
  refund_declined: "The card's bank declined the refund.",
};

function toRefusal(code: string): Refusal {
  const messages: Readonly<Record<string, string>> = { ...paymentErrors, ...followUpErrors };
  return { code, message: messages[code] ?? "The processor refused." };
}
