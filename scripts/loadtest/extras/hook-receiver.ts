import type { Extra } from "./extra.ts";

/** A webhook server: what comes to `/healthy/…` is noted and answered, what comes to `/hanging` never. */
export const hookReceiver: Extra = async () => {
  const received = new Map<string, Map<string, string>>();
  let repeated = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/hanging") return new Promise<Response>(() => {});
      // Only our own notifier knows this address.
      const { event, payment_id } = (await request.json()) as Record<string, string>;
      const ofPath = received.get(pathname) ?? new Map<string, string>();
      received.set(pathname, ofPath);
      const id = request.headers.get("webhook-id") ?? "";
      if (ofPath.has(id)) repeated += 1;
      ofPath.set(id, `${event} ${payment_id}`);
      return new Response(null, { status: 204 });
    },
  });
  return {
    environment: { LOADTEST_RECEIVER_URL: `http://127.0.0.1:${server.port}` },
    async finish() {
      const endpoints = [...received.values()];
      const settled = endpoints.map((events) => tellingOf(events, "payment.settled"));
      const [first] = settled;
      const isComplete =
        first !== undefined &&
        first.length > 0 &&
        settled.every((own) => new Set(own).size === own.length && Bun.deepEquals(own, first));
      const count = endpoints.reduce((sum, events) => sum + events.size, 0);
      return {
        truths: [
          {
            name: "each endpoint that answers was told of each payment's end, by one event",
            isTrue: isComplete,
            found: `${settled.map((own) => own.length).join(", ")} payments`,
          },
        ],
        figures: [
          { name: "webhooks received", value: count },
          { name: "webhooks received again", value: repeated },
        ],
      };
    },
    stop: () => server.stop(true),
  };
};

/** The payments of which an endpoint was told so, in order. */
function tellingOf(events: ReadonlyMap<string, string>, event: string): string[] {
  const told = [...events.values()].filter((one) => one.startsWith(`${event} `));
  return told.map((one) => one.slice(event.length + 1)).sort();
}
