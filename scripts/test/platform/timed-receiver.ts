/** Every webhook with the time it came. Of what comes to `/flaky` one in ten fails, the first time. */
export function startTimedReceiver() {
  const received: {
    at: number;
    path: string;
    id: string;
    timestamp: number;
    body: Record<string, unknown>;
  }[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const at = Date.now();
      const body = (await request.json()) as Record<string, unknown>; // our own notifier sends objects only
      const { pathname } = new URL(request.url);
      const id = request.headers.get("webhook-id") ?? "";
      const isAgain = received.some((one) => one.id === id && one.path === pathname);
      const fails = pathname === "/flaky" && !isAgain && Bun.hash.crc32(id) % 10 === 0;
      const timestamp = Number(request.headers.get("webhook-timestamp")) * 1_000;
      received.push({ at, path: pathname, id, timestamp, body });
      return new Response(null, { status: fails ? 500 : 204 });
    },
  });
  return { received, url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

/** All fields of an answer that tell a time that has been, by their paths. */
export function timesIn(value: unknown, at = ""): [string, number][] {
  if (Array.isArray(value)) return value.flatMap((one, index) => timesIn(one, `${at}/${index}`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, one]): [string, number][] => {
    const isPast = /_at$|^as_of$/.test(name) && !/expires|next_/.test(name);
    if (isPast && typeof one === "string") return [[`${at}/${name}`, Date.parse(one)]];
    return timesIn(one, `${at}/${name}`);
  });
}
