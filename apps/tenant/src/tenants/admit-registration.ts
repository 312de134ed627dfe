import { DomainError } from "@payflow/contracts/errors.ts";
import type { RateLimiter } from "@payflow/service-kit/http/access.ts";

export interface AdmitRegistration {
  readonly rateLimiter: RateLimiter;
  /** Tenants that anybody may register in a minute, all callers and replicas together. */
  readonly openRegistrationsPerMinute: number;
}

/**
 * Takes one of the registrations that are open to anybody; the headers that tell what is left. One allowance
 * for all callers: behind proxies an address says nothing. Throws `rate_limited`.
 */
export async function admitRegistration(deps: AdmitRegistration): Promise<Record<string, string>> {
  const burst = deps.openRegistrationsPerMinute;
  const rate = { requests_per_second: burst / 60, burst };
  const { isAllowed, headers } = await deps.rateLimiter.take("open-registrations", rate);
  if (!isAllowed) throw new DomainError("rate_limited", tooMany, { headers });
  return headers;
}

const tooMany =
  "Too many tenants are being registered. Try again later, or ask the platform's owner to register yours.";
