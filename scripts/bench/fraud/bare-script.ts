import type { Redis } from "ioredis";
import { compilePolicy } from "../../../apps/fraud/src/policies/compile-policy.ts";
import { readPolicy } from "../../../apps/fraud/src/policies/read-policy.ts";
import countScript from "../../../apps/fraud/src/scoring/count.lua" with { type: "text" };
import { redisCounters } from "../../../apps/fraud/src/scoring/counters.store.ts";
import { seriesPlan } from "../../../apps/fraud/src/scoring/series.ts";
import type { PolicyBody } from "./policy.ts";
import { scoreRequest } from "./requests.ts";

/** About so many steps does counting one payment take under a policy. */
export function stepsOf(policy: PolicyBody): number {
  return seriesPlan(compilePolicy(readPolicy(policy))).steps;
}

/**
 * The script, and the command that runs it once with the keys and arguments that the fraud app gives it for a
 * batch of payments. The payments' ids are random each time, their customers always the same.
 */
export async function countScriptCall(
  tenantIds: readonly string[],
  body: PolicyBody,
  batch: number,
): Promise<{ readonly script: string; readonly command: readonly string[] }> {
  const policy = compilePolicy(readPolicy(body));
  let call: readonly (string | number)[] = [];
  const listening = {
    evalsha: async (...given: readonly (string | number)[]) => {
      call = given;
      return Array(batch).fill("");
    },
  };
  const payments = Array.from({ length: batch }, (_, number) => {
    const { amount, currency, ...request } = scoreRequest(tenantIds, number);
    return {
      paymentId: request.payment_id.replace(/.{12}$/, "__rand_int__"),
      tenantId: request.tenant_id,
      mode: request.mode,
      facts: {
        amount,
        currency,
        customer: request.customer_id,
        card: request.card_fingerprint,
        ip: request.ip,
      },
      policy,
    };
  });
  // Nothing of Redis is asked but to run the script.
  await redisCounters(listening as unknown as Redis).count(payments, false);
  return { script: countScript, command: ["EVALSHA", ...call.map(String)] };
}
