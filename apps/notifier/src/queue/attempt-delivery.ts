import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { SpanKind, startSpan } from "@payflow/service-kit/telemetry/tracing.ts";
import type { SecretBox } from "../sending/secret-box.ts";
import type { Sender, SendResult } from "../sending/send.ts";
import { signedHeaders } from "../sending/signature.ts";
import type { ClaimedDelivery, FinishedAttempt, Outcome } from "./queue.store.ts";
import { maxAttempts, maxHoldSeconds, nextAttempt, readRetryAfter } from "./schedule.ts";

export interface AttemptDelivery {
  readonly sender: Sender;
  readonly secrets: SecretBox;
  readonly logger: Logger;
}

/**
 * Signs and sends a delivery once, and says what becomes of it. `receivedAtMs` is `performance.now()` at the
 * claim.
 */
export async function attemptDelivery(
  deps: AttemptDelivery,
  delivery: ClaimedDelivery,
  receivedAtMs: number,
): Promise<FinishedAttempt> {
  // The process's own wall clock is never asked: it may be wrong, and receivers compare the timestamp with
  // theirs.
  const storeSeconds = () => delivery.claimedAt + (performance.now() - receivedAtMs) / 1_000;
  const startedAt = storeSeconds();
  const result = await signAndSend(deps, delivery, Math.floor(startedAt));
  const retryAfter = readRetryAfter(result.retryAfter, storeSeconds() * 1_000);
  return { delivery, startedAt, ...result, ...decide(delivery, result, retryAfter) };
}

async function signAndSend(
  deps: AttemptDelivery,
  delivery: ClaimedDelivery,
  timestamp: number,
): Promise<SendResult> {
  let secrets: string[];
  try {
    secrets = delivery.secrets.map((sealed) => deps.secrets.open(delivery.endpointId, sealed));
  } catch (error) {
    deps.logger.error(
      { err: error, endpoint_id: delivery.endpointId, request_id: delivery.requestId },
      "a signing secret cannot be opened",
    );
    return {
      error: "secret_unreadable",
      statusCode: null,
      address: null,
      response: new Uint8Array(),
      retryAfter: undefined,
      durationMs: 0,
    };
  }
  const span = startSpan("POST webhook", SpanKind.CLIENT, delivery.traceparent);
  const headers = {
    ...signedHeaders({ eventId: delivery.eventId, timestamp, body: delivery.body }, secrets),
    ...(delivery.requestId === null ? {} : { "request-id": delivery.requestId }),
    traceparent: span.traceparent,
  };
  const { url, body, timeoutMs } = delivery;
  const result = await deps.sender.send({ url, headers, body, timeoutMs });
  // Where it goes is the tenant's business: the endpoint's id stands for its URL.
  span.end(
    undefined,
    {
      "payflow.webhook.endpoint_id": delivery.endpointId,
      "payflow.webhook.event_id": delivery.eventId,
      "http.request.resend_count": delivery.number - 1,
      ...(result.statusCode === null ? {} : { "http.response.status_code": result.statusCode }),
    },
    result.error !== null,
  );
  return result;
}

interface Decision {
  readonly outcome: Outcome;
  readonly offsetSeconds: number | null;
  readonly leastSeconds: number | null;
  readonly holdSeconds: number;
}

/** What an attempt's result means for its delivery and its endpoint. */
export function decide(
  delivery: Pick<ClaimedDelivery, "number" | "before"> & Partial<Pick<ClaimedDelivery, "maxAttempts">>,
  result: Pick<SendResult, "error" | "statusCode">,
  retryAfterSeconds: number | null,
): Decision {
  const ended = { offsetSeconds: null, leastSeconds: null };
  if (result.error === null) return { outcome: "delivered", ...ended, holdSeconds: 0 };
  if (result.statusCode === 410) return { outcome: "gone", ...ended, holdSeconds: 0 };
  const isBusy = result.statusCode === 429 || result.statusCode === 503;
  const holdSeconds = isBusy ? Math.min(retryAfterSeconds ?? 0, maxHoldSeconds) : 0;
  const attempt = delivery.number - delivery.before;
  const isLast = attempt >= (delivery.maxAttempts ?? maxAttempts);
  const retry = isLast ? null : nextAttempt(attempt, retryAfterSeconds);
  if (retry === null) return { outcome: "failed", ...ended, holdSeconds };
  return { outcome: "retry", ...retry, holdSeconds };
}
