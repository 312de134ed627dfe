import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { KubernetesClient } from "../../src/kubernetes/client/client.ts";
import { createTransport, type Transport } from "../../src/kubernetes/client/transport.ts";
import type { FakeApiServer } from "./fake-api-server.ts";

/** Listens on a port of its own, without TLS. */
export function serve(server: FakeApiServer): { readonly url: string; stop(): Promise<void> } {
  const listener = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: server.handle,
    // A watch that is cut on purpose.
    error: () => new Response(null, { status: 500 }),
  });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    stop: () => listener.stop(true),
  };
}

export function transportTo(
  url: string,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): Transport {
  return createTransport({
    access: {
      namespace: "default",
      read: async () => ({ server: url, headers: {}, tls: { rejectUnauthorized: true } }),
    },
    userAgent: "test",
    logger,
    metrics,
  });
}

export function connectTo(
  url: string,
  parts: { readonly metrics: Metrics; readonly logger: Logger },
): KubernetesClient {
  return new KubernetesClient({ transport: transportTo(url, parts) });
}
