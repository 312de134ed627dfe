import type { AnyElysia } from "elysia";

export interface Listener {
  /** Takes no more connections and waits until the requests under way have been answered. */
  stop(): Promise<void>;
}

/**
 * Serves an app. The port is shared with the other replicas of this machine: the kernel spreads the
 * connections. `idleTimeout` is in seconds.
 */
export function listen(app: AnyElysia, at: { readonly host: string; readonly port: number }): Listener {
  app.compile();
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    reusePort: true,
    idleTimeout: 60,
    // The kit answers 413 with a problem; this bound only stops what would not even be read.
    maxRequestBodySize: 64 * 1024 * 1024,
    fetch: (request) => app.fetch(request),
  });
  return { stop: () => server.stop(false) };
}
