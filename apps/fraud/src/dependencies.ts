import type { Database } from "@payflow/service-kit/store/database.ts";
import { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import type { Redis } from "ioredis";
import { decisionsStore } from "./decisions/decisions.store.ts";
import { flagsStore } from "./flags/flags.store.ts";
import { compilePolicy } from "./policies/compile-policy.ts";
import { type DefaultPolicySettings, defaultPolicy } from "./policies/default-policy.ts";
import { createGovernedPoliciesStore } from "./policies/governed/governed-policies.store.ts";
import { policiesStore } from "./policies/policies.store.ts";
import { policyCache } from "./policies/policy-cache.ts";
import { redisCounters } from "./scoring/counters.store.ts";
import { looksStore } from "./second-look/looks.store.ts";

/** What a process has opened, from which the use cases get what they need. */
export interface Parts {
  readonly database: Database;
  /** The cache Redis, which holds the counters. */
  readonly redis: Redis;
  /** Of the policy for tenants that have none of their own. */
  readonly defaults: DefaultPolicySettings;
  /** Called after commits that left `fraud.flagged` in the outbox. */
  readonly onFlagged: () => void;
}

/** The use cases' dependencies, the same in the service and in tests. */
export function createDependencies({ database, redis, defaults, onFlagged }: Parts) {
  const storedPolicies = policiesStore(database.sql);
  const fallback = compilePolicy(defaultPolicy(defaults));
  return {
    storedPolicies,
    fallback,
    policies: policyCache(storedPolicies, fallback),
    governedPolicies: createGovernedPoliciesStore(database),
    counters: redisCounters(redis),
    decisions: decisionsStore(database.sql),
    looks: looksStore(database.sql),
    flags: flagsStore(database),
    clock: new StoreClock(database.sql),
    onFlagged,
  };
}
