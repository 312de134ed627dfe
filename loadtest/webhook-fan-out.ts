import { check, sleep } from "k6";
import exec from "k6/execution";
import { audit, auditMoney, readAll } from "./run/audit.ts";
import { call } from "./run/calls.ts";
import { payOrder } from "./run/paying.ts";
import { optionsOf, summaryOf } from "./run/scenario.ts";
import { amountOf, drainSeconds, receiverUrl, urls } from "./run/settings.ts";
import { type Run, registerTenants, type Tenant } from "./run/tenants.ts";

const amount = amountOf({ rate: 50, seconds: 60 });
/** Endpoints that answer, and what each is told of a payment. */
const healthy = [
  ["payment.settled"],
  ["payment.settled"],
  ["payment.settled"],
  ["payment.created", "payment.settled"],
] as const;

export const options = optionsOf(amount, {
  "http_req_duration{route:payments}": ["max<5000"],
});

export const handleSummary = summaryOf("webhook-fan-out");

interface FanOut extends Run {
  readonly endpoints: readonly { readonly id: string; readonly events: number }[];
  readonly hanging: string;
}

export function setup(): FanOut {
  if (receiverUrl === null) throw new Error("LOADTEST_RECEIVER_URL must name a server that takes webhooks");
  const tenants = registerTenants(1);
  const [tenant] = tenants;
  if (tenant === undefined) throw new Error("no tenant was registered");
  const endpoints = healthy.map((events, index) => ({
    id: addEndpoint(tenant, `${receiverUrl}/healthy/${index}`, events),
    events: events.length,
  }));
  const hanging = addEndpoint(tenant, `${receiverUrl}/hanging`, ["payment.settled"]);
  return { tenants, startedAt: new Date().toISOString(), endpoints, hanging };
}

function addEndpoint(tenant: Tenant, url: string, events: readonly string[]): string {
  const made = call<{ endpoint_id: string }>({
    method: "POST",
    url: `${urls.notifier}/webhook-endpoints`,
    route: "setup",
    key: tenant.key,
    body: { url, events },
  });
  if (made.status !== 201) throw new Error(`adding an endpoint answered ${made.status}`);
  return made.body.endpoint_id;
}

export default function pay({ tenants: [tenant] }: FanOut): void {
  if (tenant !== undefined) payOrder(tenant, exec.scenario.iterationInTest);
}

interface Delivery {
  readonly event_id: string;
  readonly status: string;
}

export function inspect({ tenants: [tenant], endpoints, hanging }: FanOut): void {
  audit((iterations) => {
    if (tenant === undefined) return;
    auditMoney(tenant, { orders: Array.from({ length: iterations }, (_, order) => order) });
    for (const { id, events } of endpoints) {
      const deliveries = deliveredTo(tenant, id, events * iterations);
      check(deliveries, {
        "an endpoint that answers is told of every event, and of each once": () =>
          deliveries.length === events * iterations &&
          new Set(deliveries.map((one) => one.event_id)).size === deliveries.length &&
          deliveries.every((one) => one.status === "delivered"),
      });
    }
    const pending = readAll<Delivery>(
      `${urls.notifier}/webhook-deliveries`,
      tenant.key,
      `&endpoint_id=${hanging}`,
    );
    check(pending, {
      "what an endpoint did not answer is kept for it": () =>
        pending.length === iterations && pending.every((one) => one.status !== "delivered"),
    });
    for (const id of [...endpoints.map((one) => one.id), hanging]) removeEndpoint(tenant, id);
  });
}

/** An endpoint's deliveries, once there are as many as expected or the time for that is over. */
function deliveredTo({ key }: Tenant, endpoint: string, expected: number): Delivery[] {
  for (const until = Date.now() + drainSeconds * 1_000; ; sleep(0.5)) {
    const all = readAll<Delivery>(`${urls.notifier}/webhook-deliveries`, key, `&endpoint_id=${endpoint}`);
    const isDone = all.length >= expected && all.every((one) => one.status === "delivered");
    if (isDone || Date.now() > until) return all;
  }
}

function removeEndpoint({ key }: Tenant, id: string): void {
  call({ method: "DELETE", url: `${urls.notifier}/webhook-endpoints/${id}`, route: "audit", key });
}
