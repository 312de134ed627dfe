/** A webhook receiver that notes when each settled payment arrived first, in Unix milliseconds. */
export function startReceiver() {
  const receivedAt = new Map<string, number>();
  let lastAt = performance.now();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const at = Date.now();
      lastAt = performance.now();
      // Only our own notifier knows this address.
      const event = (await request.json()) as { event: string; payment_id: string };
      if (event.event === "payment.settled" && !receivedAt.has(event.payment_id))
        receivedAt.set(event.payment_id, at);
      return new Response(null, { status: 204 });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/hook`,
    receivedAt: receivedAt as ReadonlyMap<string, number>, // readers must not write
    /** Waits until nothing has arrived for a second. */
    async quiet() {
      while (performance.now() - lastAt < 1_000) await Bun.sleep(100);
    },
    stop: () => server.stop(true),
  };
}
