import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { DefaultEndpointAnswer, defaultEndpointPath } from "@payflow/contracts/internal-notifier.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";

export interface SetWebhook {
  readonly notifier: InternalClient;
}

/** Makes `url` the default endpoint of the key's mode. Fails as notifier does, and with `unavailable`. */
export function setWebhook(
  deps: SetWebhook,
  context: TenantContext,
  tenantId: string,
  url: string,
): Promise<DefaultEndpointAnswer> {
  if (tenantId !== context.tenantId) throw new DomainError("not_found");
  return deps.notifier.call(
    "PUT",
    defaultEndpointPath(tenantId, context.mode),
    { url },
    {
      answer: DefaultEndpointAnswer,
      timeoutMs: 5_000,
      requestId: context.requestId,
      ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
    },
  );
}
