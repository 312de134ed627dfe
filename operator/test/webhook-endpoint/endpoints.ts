import { expect } from "bun:test";
import postgres from "postgres";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { webhookEndpointKind as kind } from "../../src/webhook-endpoint/webhook-endpoint.resource.ts";
import { patiently } from "../setup/patience.ts";
import { type Receiver, startReceiver } from "../setup/receiver.ts";
import { conditionOf, type Namespace } from "../setup/resources.ts";
import { Workplace } from "../setup/workplace.ts";

/**
 * Two teams' namespaces with an operator that tells of deliveries each second, and a look into the notifier's
 * database for what nobody but a hand or a backup does there.
 */
export async function endpointPlace() {
  const place = await Workplace.make({ namespaces: 2, env: { DELIVERY_STATUS_SECONDS: "1" } });
  const [shop, stranger] = place.namespaces as [Namespace, Namespace];
  const notifier = postgres(place.apps.databaseUrl("notifier", "superuser"), { max: 2, onnotice: () => {} });
  const receivers: Receiver[] = [];
  let count = 0;
  await place.startOperator();
  return {
    place,
    shop,
    stranger,
    notifier,
    newName,
    /** A tenant of a test's own, with a key that works. */
    async newTenant(spec: object = {}, name = newName("tenant")) {
      await shop.create(tenantKind, name, {
        ...{ displayName: "Acme", contactEmail: "owner@example.com", mode: "test", currency: "INR" },
        ...spec,
      });
      return tenantHandle(place, shop, name);
    },
    /** An endpoint with a receiver of its own. */
    async newEndpoint(tenant: { readonly name: string }, spec: object = {}, from = shop) {
      const receiver = startReceiver();
      receivers.push(receiver);
      const name = newName("hook");
      const tenantRef = { name: tenant.name, ...(from === shop ? {} : { namespace: shop.name }) };
      await from.create(kind, name, {
        ...{ tenantRef, mode: "test", url: receiver.url, events: ["payment.settled"], ...spec },
      });
      return endpointHandle(place, from, name, receiver);
    },
    async close(): Promise<void> {
      for (const receiver of receivers) receiver.close();
      await notifier.end({ timeout: 2 });
      await place.close();
    },
  };

  function newName(what: string): string {
    count += 1;
    return `${what}-${count}`;
  }
}

export type EndpointPlace = Awaited<ReturnType<typeof endpointPlace>>;

function tenantHandle(place: Workplace, shop: Namespace, name: string) {
  return {
    name,
    change: (changed: object) => shop.patch(tenantKind, name, { spec: changed }),
    /** Takes a payment; what is settled is told to the endpoints. */
    async pay(): Promise<string> {
      const key = await patiently(async () => (await shop.secret(`${name}-api-key`))?.["api-key"] ?? false);
      const answer = await fetch(`${place.apps.url("payment")}/payments`, {
        method: "POST",
        headers: {
          ...{ "x-api-key": key, "content-type": "application/json" },
          "idempotency-key": crypto.randomUUID(),
        },
        body: JSON.stringify({ amount: 100, currency: "INR" }),
      });
      expect(answer.status).toBe(201);
      return ((await answer.json()) as { payment_id: string }).payment_id;
    },
  };
}

function endpointHandle(place: Workplace, from: Namespace, name: string, receiver: Receiver) {
  const get = () => from.get(kind, name);
  return {
    name,
    receiver,
    get,
    condition: async (type: string) => conditionOf(await get(), type),
    change: (changed: object) => from.patch(kind, name, { spec: changed }),
    annotate: (annotations: Readonly<Record<string, string | null>>) =>
      from.annotate(kind, name, annotations),
    remove: () => from.remove(kind, name),
    secret: () => from.secret(`${name}-signing-secret`),
    becomes: (type: string, expected: object) => from.becomes(kind, name, type, expected),
    ready: () => from.becomes(kind, name, "Ready", { status: "True" }),
    /** What the receiver gets of one payment. */
    async receives(payer: { pay(): Promise<string> }) {
      const id = await payer.pay();
      return patiently(() => receiver.received.find(({ body }) => body.payment_id === id) ?? false);
    },
    events: async () => {
      const { stdout } = await place.cluster.kubectl(["get", "events", "-n", from.name, "-o", "json"]);
      const { items } = JSON.parse(stdout) as {
        items: { reason: string; message: string; involvedObject: { name: string } }[];
      };
      return items.filter(({ involvedObject }) => involvedObject.name === name);
    },
  };
}
