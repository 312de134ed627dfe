import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { newHolder } from "@payflow/service-kit/store/lease.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { PolicyCache } from "../policy-cache.ts";
import type { GovernedPoliciesStore } from "./governed-policies.store.ts";

export interface ApplyPolicies {
  readonly governedPolicies: Pick<GovernedPoliciesStore, "revision" | "tell" | "leave">;
  readonly policies: Pick<PolicyCache, "expire">;
  readonly logger: Logger;
}

const everyMs = 500;
/** A replica tells that it runs at least so often; after five seconds it counts as gone. */
const tellEveryMs = 2_000;

/** Lets this replica's policies follow the resources', and tells up to which change it applies them. */
export function startApplyingPolicies(deps: ApplyPolicies): Pick<Rounds, "stop"> {
  const replica = newHolder("fraud");
  let told = { revision: -1, atMs: Number.NEGATIVE_INFINITY };
  const rounds = startRounds({
    logger: deps.logger,
    failure: "it could not be told which policies are applied; it is tried again",
    everyMs,
    round: async () => {
      // Numbers become visible in their order: with this one, every policy of a lower number is there.
      const revision = await deps.governedPolicies.revision();
      const nowMs = performance.now();
      if (revision === told.revision && nowMs - told.atMs < tellEveryMs) return undefined;
      if (revision !== told.revision) deps.policies.expire();
      await deps.governedPolicies.tell(replica, revision);
      told = { revision, atMs: nowMs };
      return undefined;
    },
  });
  return {
    stop: async () => {
      await rounds.stop();
      await deps.governedPolicies.leave(replica).catch(() => undefined);
    },
  };
}
