import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { type TenantPlace, tenantPlace } from "./tenants.ts";

setDefaultTimeout(300_000);

let tenants: TenantPlace;

beforeAll(async () => {
  tenants = await tenantPlace();
  await tenants.place.startOperator();
}, 300_000);

afterAll(() => tenants?.close());

const waiting = { timeoutMs: 60_000, everyMs: 20 };

/** From before kubectl is run until an app lets the key in, in ms. */
async function timeToKey(name: string): Promise<number> {
  const { cluster, shop, apps } = tenants.place;
  const file = path.join(temporaryFolder(), `${name}.json`);
  const spec = { displayName: "Acme", contactEmail: "owner@example.com", mode: "test", currency: "INR" };
  const metadata = { name, namespace: shop.name };
  await Bun.write(
    file,
    JSON.stringify({ apiVersion: "payflow.dev/v1alpha1", kind: "Tenant", metadata, spec }),
  );
  const startedAt = performance.now();
  const { exitCode, stderr } = await cluster.kubectl(["apply", "-f", file]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  const key = await eventually(
    async () => (await shop.secret(`${name}-api-key`))?.["api-key"] ?? false,
    waiting,
  );
  const url = `${apps.url("payment")}/payments?limit=1`;
  await eventually(async () => (await fetch(url, { headers: { "x-api-key": key } })).status === 200, waiting);
  return performance.now() - startedAt;
}

test("kubectl apply of a Tenant makes a Secret with a key that works within two seconds", async () => {
  const took: number[] = [];
  for (let count = 0; count < 7; count += 1) took.push(await timeToKey(`acme-${count}`));
  const sorted = took.toSorted((left, right) => left - right);
  expect(sorted[3]).toBeLessThanOrEqual(2_000);
});
