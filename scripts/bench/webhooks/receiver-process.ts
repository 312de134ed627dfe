import { serveSideProcess } from "../measure/side-process.ts";

/** What a receiver is asked for, and tells: it runs in a process of its own. */
export interface Received {
  /** When each webhook came first, in Unix milliseconds, by its id. */
  readonly at: Readonly<Record<string, number>>;
  readonly requests: number;
  /** The first ones as they came, for checking their signatures. */
  readonly samples: readonly { readonly headers: Record<string, string>; readonly body: string }[];
}

const maxSamples = 500;

/**
 * Serves `/hook`, which answers 204; `/hang`, which never answers; `/received`, which tells what `/hook` got
 * since it was asked last; and `/count`.
 */
function serve(): void {
  let at: Record<string, number> = {};
  let requests = 0;
  let samples: { headers: Record<string, string>; body: string }[] = [];
  async function take(request: Request): Promise<Response> {
    const now = Date.now();
    requests += 1;
    const id = request.headers.get("webhook-id") ?? "";
    at[id] ??= now;
    const body = await request.text();
    if (samples.length < maxSamples) samples.push({ headers: Object.fromEntries(request.headers), body });
    return new Response(null, { status: 204 });
  }
  serveSideProcess((request) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/hook")) return take(request);
    if (pathname === "/count") return Response.json(requests);
    if (pathname !== "/received") return new Promise<Response>(() => {});
    const received: Received = { at, requests, samples };
    at = {};
    samples = [];
    requests = 0;
    return Response.json(received);
  });
}

if (import.meta.main) serve();
