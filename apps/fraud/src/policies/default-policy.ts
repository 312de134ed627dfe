import type { Policy, Rule } from "./policy.ts";

export interface DefaultPolicySettings {
  readonly velocityWindowSeconds: number;
  /** Payments that pass within the window. */
  readonly velocityMaxPayments: number;
  /** Larger amounts, in minor units, are reviewed. */
  readonly amountThresholdMinor: number;
}

/**
 * The policy of a tenant that has none of its own. By customer and card it acts; by tenant it only records,
 * since enforced it would stop every busy merchant. The weights keep one triggered rule below the tiers of
 * two.
 */
export function defaultPolicy(settings: DefaultPolicySettings): Policy {
  const velocity = (key: "customer" | "card" | "tenant"): Rule => ({
    kind: "velocity",
    name: "velocity_check",
    id: `velocity_check:${key}`,
    mode: key === "tenant" ? "shadow" : "enforce",
    key,
    measure: "count",
    window_seconds: settings.velocityWindowSeconds,
    limit: settings.velocityMaxPayments,
    weight: 60,
    action: "block",
  });
  const failures = (key: "customer" | "card" | "tenant"): Rule => ({
    kind: "repeat_failure",
    name: "repeat_failure",
    id: `repeat_failure:${key}`,
    mode: key === "tenant" ? "shadow" : "enforce",
    key,
    limit: 3,
    window_seconds: 600,
    weight: 50,
    action: "block",
  });
  return {
    rules: [
      velocity("customer"),
      velocity("card"),
      velocity("tenant"),
      {
        kind: "amount",
        name: "amount_threshold",
        id: "amount_threshold",
        mode: "enforce",
        max: settings.amountThresholdMinor,
        weight: 40,
        action: "review",
      },
      failures("customer"),
      failures("card"),
      failures("tenant"),
    ],
    tiers: [
      { min_score: 70, action: "review" },
      { min_score: 90, action: "block" },
    ],
    fail_mode: "review",
    late_block: "flag",
  };
}
