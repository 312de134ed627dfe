import { direct } from "@payflow/service-kit/http/internal-client.ts";

/** Stands before an app and passes everything on, payments only after a while. */
export function startDelayingProxy(target: string, delayMs: number) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      if (request.method === "POST" && pathname === "/payments") await Bun.sleep(delayMs);
      const headers = new Headers(request.headers);
      headers.delete("host");
      const body = request.method === "GET" ? {} : { body: await request.arrayBuffer() };
      return fetch(target + pathname + search, { method: request.method, headers, ...body, ...direct });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
