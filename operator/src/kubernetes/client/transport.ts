import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { ClusterAccess, Credentials } from "./cluster-access.ts";
import { FreshCredentials } from "./fresh-credentials.ts";

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Begins with a slash; the query stands in it. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
  /** For the whole answer; 30 s when left out. A watch has none: its reader watches for silence. */
  readonly timeoutMs?: number | "none";
  /** Called at the last moment before each sending; what it throws keeps the request from being sent. */
  readonly beforeSend?: (() => void) | undefined;
}

/** Sends requests to the API server, whatever their meaning. */
export interface Transport {
  /**
   * The answer, whatever its status. Asked again up to ten times where the server says when (`Retry-After` on
   * 429 and 5xx); throws when there is no answer or the signal is given.
   */
  send(request: ApiRequest): Promise<Response>;
}

export interface TransportOptions {
  readonly access: ClusterAccess;
  /** Told as `user-agent`, by which audit logs and priority rules know us. */
  readonly userAgent: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** As client-go has it. */
const maxRetries = 10;
const defaultTimeoutMs = 30_000;
/** More than this is not believed. */
const maxRetryAfterMs = 60_000;

/**
 * Bun's fetch with the cluster's own TLS: authority, client certificate, server name. The agent that
 * client-node hands to fetch is an empty class on Bun, so that what it ships would check no authority.
 */
export function createTransport(options: TransportOptions): Transport {
  const credentials = new FreshCredentials(options.access, options.logger);
  const counts = transportMetrics(options.metrics);

  async function attempt(request: ApiRequest, known: Credentials): Promise<Response> {
    request.beforeSend?.();
    const { host } = new URL(known.server);
    const count = (code: string) => counts.requests.inc({ code, method: request.method, host });
    const startedAt = performance.now();
    try {
      const response = await fetch(known.server + request.path, {
        method: request.method,
        headers: { "user-agent": options.userAgent, ...known.headers, ...request.headers },
        ...(request.body === undefined ? {} : { body: request.body }),
        ...signalOf(request),
        ...(known.proxy === undefined ? {} : { proxy: known.proxy }),
        tls: known.tls,
        redirect: "manual",
        timeout: false,
      });
      count(String(response.status));
      return response;
    } catch (error) {
      count("<error>");
      throw error;
    } finally {
      counts.duration.observe({ verb: request.method, host }, (performance.now() - startedAt) / 1_000);
    }
  }

  async function send(request: ApiRequest): Promise<Response> {
    let hasRenewed = false;
    for (let retry = 0; ; retry += 1) {
      request.signal?.throwIfAborted();
      const known = await credentials.get();
      const response = await attempt(request, known);
      if (response.status === 401 && !hasRenewed && (await credentials.renewedSince(known))) {
        hasRenewed = true;
        await response.body?.cancel();
        continue;
      }
      const afterMs = retryAfterMs(response);
      if (afterMs === undefined || retry >= maxRetries) return response;
      await response.body?.cancel();
      counts.retries.inc({ code: String(response.status), verb: request.method });
      await pause(afterMs, request.signal);
    }
  }

  return { send };
}

/** What the answer asks to wait, in milliseconds; undefined where asking again was not suggested. */
export function retryAfterMs(response: Response): number | undefined {
  if (response.status !== 429 && response.status < 500) return undefined;
  const told = response.headers.get("retry-after");
  if (told === null) return undefined;
  const seconds = Number(told);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(told) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(maxRetryAfterMs, Math.max(0, ms));
}

function signalOf({ signal, timeoutMs = defaultTimeoutMs }: ApiRequest): { signal?: AbortSignal } {
  if (timeoutMs === "none") return signal === undefined ? {} : { signal };
  const timeout = AbortSignal.timeout(timeoutMs);
  return { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) };
}

/** Names and labels as in client-go, so that dashboards for controllers fit. */
function transportMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter("rest_client_requests_total", "Requests to the API server.", [
      "code",
      "method",
      "host",
    ]),
    retries: metrics.counter("rest_client_request_retries_total", "Requests that were sent again.", [
      "code",
      "verb",
    ]),
    duration: metrics.histogram("rest_client_request_duration_seconds", "Until the answer's head.", [
      "verb",
      "host",
    ]),
  };
}
