import type { EventEnvelope } from "@payflow/contracts/events.ts";
import {
  type Settlement,
  SettlementsFound,
  SettlementsLookup,
  SettlementsPage,
  SettlementsQuery,
} from "@payflow/contracts/internal-payment.ts";
import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

export interface SettlementsServer {
  readonly url: string;
  readonly secret: string;
  /** Payment's books: change them to plant a fault. */
  readonly books: Map<string, Settlement>;
  /** Since when an event waits in payment's outbox; undefined while none does. */
  outboxSince: Date | undefined;
  /** Answers 503 while set. */
  isAway: boolean;
  /** Called before each page is answered. */
  onPage: (() => void) | undefined;
  readonly calls: { pages: number; lookups: number };
  stop(): Promise<void>;
}

const secret = "internal-secret-of-the-ledger-tests";

/** Payment's internal settlements routes, as their contract describes them, over books that a test fills. */
export function startSettlementsServer(maxPage = 1_000): SettlementsServer {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request) });
  const state: SettlementsServer = {
    url: `http://127.0.0.1:${server.port}`,
    secret,
    books: new Map(),
    outboxSince: undefined,
    isAway: false,
    onPage: undefined,
    calls: { pages: 0, lookups: 0 },
    stop: () => server.stop(true),
  };

  async function answer(request: Request): Promise<Response> {
    if (request.headers.get("x-internal-token") !== secret) return new Response(null, { status: 401 });
    if (state.isAway) return new Response(null, { status: 503 });
    const url = new URL(request.url);
    if (request.method === "GET" && url.pathname === "/internal/v1/settlements") return page(url);
    if (request.method === "POST" && url.pathname === "/internal/v1/settlements/lookup") {
      state.calls.lookups += 1;
      const { ids } = demand(SettlementsLookup, await request.json());
      const data = ids.flatMap((id: string) => state.books.get(id) ?? []);
      return Response.json(demand(SettlementsFound, { data }));
    }
    return new Response(null, { status: 404 });
  }

  function page(url: URL): Response {
    state.calls.pages += 1;
    state.onPage?.();
    const given = Object.fromEntries(url.searchParams);
    const query = demand(SettlementsQuery, {
      ...given,
      ...("limit" in given ? { limit: Number(given.limit) } : {}),
    });
    const limit = Math.min(query.limit ?? maxPage, maxPage);
    const all = [...state.books.values()]
      .filter((one) => isWithin(one, query.from, query.to))
      .sort((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1))
      .filter((one) => query.cursor === undefined || sortKey(one) > query.cursor);
    const data = all.slice(0, limit);
    const last = data.at(-1);
    const hasMore = all.length > limit && last !== undefined;
    return Response.json(
      demand(SettlementsPage, {
        data,
        next_cursor: hasMore ? sortKey(last) : null,
        has_more: hasMore,
        published_until: (state.outboxSince ?? new Date()).toISOString(),
      }),
    );
  }
  return state;
}

const sortKey = (one: Settlement) => `${one.settled_at} ${one.id}`;

function isWithin({ settled_at: at }: Settlement, from: string | undefined, to: string | undefined): boolean {
  if (at === null) return false;
  const time = Date.parse(at);
  return (
    time >= (from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from)) && time < Date.parse(to ?? at)
  );
}

function demand<T extends TSchema>(schema: T, value: unknown) {
  return Value.Parse(schema, value);
}

/** What payment's books hold once it has told this event. */
export function settlementOf(
  event: EventEnvelope<"payment.settled"> | EventEnvelope<"refund.settled">,
): Settlement {
  const owner = { tenant_id: event.tenant_id, mode: event.mode };
  if (event.type === "payment.settled") {
    // The type of the event tells which data it carries.
    const data = event.data as EventEnvelope<"payment.settled">["data"];
    return {
      ...owner,
      kind: "capture",
      id: data.payment_id,
      payment_id: data.payment_id,
      currency: data.currency,
      amount: data.amount_captured,
      status: data.status,
      settled_at: data.settled_at,
    };
  }
  const data = event.data as EventEnvelope<"refund.settled">["data"];
  return {
    ...owner,
    kind: "refund",
    id: data.refund_id,
    payment_id: data.payment_id,
    currency: data.currency,
    amount: data.amount,
    status: data.status,
    settled_at: data.settled_at,
  };
}
