import { type DomainError, unavailable } from "@payflow/contracts/errors.ts";
import type { OutboxLimit } from "@payflow/service-kit/outbox/outbox-limit.ts";

/** What decides whether payments and refunds may be begun. */
export interface Admission {
  readonly outboxLimit: Pick<OutboxLimit, "isReached">;
}

const retryAfterSeconds = 5;

/**
 * Why no payment or refund may be begun at the moment, or null; repeats of what was begun are for the caller
 * to let by. Events that the bus does not take would fill the disk, and then nothing could be ended either.
 * What was begun is ended, and fits: its events are a few each.
 */
export function admissionRefusal({ outboxLimit }: Admission): DomainError | null {
  if (!outboxLimit.isReached) return null;
  return unavailable("The event bus, for which too many events wait,", retryAfterSeconds);
}
