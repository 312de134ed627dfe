import type { Static } from "@sinclair/typebox";
import type { PolicyBody as PolicySchema } from "../../../apps/fraud/src/policies/policy.ts";

/** A policy as a tenant writes it. */
export type PolicyBody = Static<typeof PolicySchema>;
type Rule = PolicyBody["rules"][number];

const acting = { action: "review", mode: "enforce" } as const;
const day = 86_400;
/** Far above what a benchmark does, so that all rules are evaluated and none stops a payment. */
const far = 1_000_000;

function count(name: string, key: "tenant" | "customer" | "card" | "ip", window_seconds: number): Rule {
  return { kind: "velocity", name, key, measure: "count", window_seconds, limit: far, ...acting };
}

function sum(name: string, key: "customer" | "card", window_seconds: number): Rule {
  const measure = "sum";
  const limit = 1_000_000_000_000;
  return { kind: "velocity", name, key, measure, window_seconds, limit, currency: "INR", ...acting };
}

function distinct(name: string, key: "customer" | "card" | "ip", of: "customer" | "card" | "ip"): Rule {
  return {
    kind: "velocity",
    name,
    key,
    measure: "distinct",
    of,
    window_seconds: day,
    limit: 4_000,
    ...acting,
  };
}

function failRatio(name: string, key: "customer" | "card"): Rule {
  return { kind: "velocity", name, key, measure: "fail_ratio", window_seconds: day, limit: 1, ...acting };
}

/** Twenty rules of every kind over every key, as a tenant who takes fraud seriously might have. */
export const benchPolicy: PolicyBody = {
  fail_mode: "review",
  rules: [
    count("tenant_day", "tenant", day),
    count("tenant_minute", "tenant", 60),
    count("customer_minute", "customer", 60),
    count("customer_hour", "customer", 3_600),
    count("customer_day", "customer", day),
    count("card_minute", "card", 60),
    count("card_day", "card", day),
    count("ip_minute", "ip", 60),
    count("ip_hour", "ip", 3_600),
    sum("customer_sum_hour", "customer", 3_600),
    sum("customer_sum_day", "customer", day),
    sum("card_sum_day", "card", day),
    distinct("cards_of_customer", "customer", "card"),
    distinct("customers_of_card", "card", "customer"),
    distinct("cards_of_ip", "ip", "card"),
    failRatio("customer_failures", "customer"),
    failRatio("card_failures", "card"),
    {
      kind: "repeat_failure",
      name: "card_repeats",
      key: "card",
      limit: 4_000,
      window_seconds: 600,
      ...acting,
    },
    { kind: "amount", name: "large", currency: "INR", max: 999_999_999, ...acting },
    { kind: "list", name: "denied_cards", field: "card", effect: "deny", values: ["card-0"], ...acting },
  ],
};
