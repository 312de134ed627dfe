import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { call, raiseLimits, registerTenant } from "./platform/platform.ts";
import { Traffic } from "./platform/traffic.ts";
import { Truth } from "./platform/truth.ts";

const killsPerApp = process.env.PAYFLOW_THOROUGH === undefined ? 2 : 20;

let installation: RunningInstallation;
let truth: Truth;
const receivedIds = new Set<string>();
const settledWebhooks = new Map<string, Set<string>>();
let receiver: ReturnType<typeof startReceiver>;

function startReceiver() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = (await request.json()) as { event: string; payment_id: string };
      const id = request.headers.get("webhook-id") ?? "";
      receivedIds.add(id);
      if (body.event === "payment.settled") {
        settledWebhooks.set(body.payment_id, (settledWebhooks.get(body.payment_id) ?? new Set()).add(id));
      }
      return new Response(null, { status: 204 });
    },
  });
}

beforeAll(async () => {
  receiver = startReceiver();
  installation = await startInstallation({
    replicas: 2,
    env: { INQUIRY_FIRST_MS: "1000", INQUIRY_MAX_MS: "2000" },
  });
  truth = new Truth(installation);
}, 90_000);

afterAll(async () => {
  await truth?.close();
  await receiver?.stop(true);
  await installation?.stop();
});

/** The payment replica that holds most of the relay's leases. */
async function relayHolder(): Promise<number> {
  const rows = await truth.payment`
    select split_part(holder, '/', 2)::int as pid, count(*)::int as count from lease
    where name like '%outbox%' and expires_at > now() group by 1 order by 2 desc`;
  const pids = [1, 2].map((replica) => installation.installation.process("payment", replica)?.pid);
  const found = rows.map((row) => pids.indexOf(row.pid) + 1).find((replica) => replica > 0);
  return found ?? 1;
}

async function ready(app: string, replica: number): Promise<void> {
  await eventually(async () => (await fetch(`${installation.replicaUrl(app, replica)}/readyz`)).ok, {
    timeoutMs: 20_000,
  });
}

test("kill -9 of any app, again and again under load, loses, doubles and invents nothing", async () => {
  const tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
  const hook = await call(`${installation.url("tenant")}/tenants/${tenant.tenantId}/webhook`, "PUT", {
    key: tenant.liveKey,
    body: { url: `http://127.0.0.1:${receiver.port}/hook` },
  });
  expect(hook.status).toBe(200);
  const traffic = new Traffic(installation, tenant, 12);
  for (let round = 0; round < killsPerApp; round += 1) {
    for (const app of ["payment", "ledger", "notifier", "fraud", "tenant"]) {
      await Bun.sleep(100 + Math.random() * 400);
      const replica = app === "payment" ? await relayHolder() : 1 + (round % 2);
      installation.installation.kill(app, replica, "SIGKILL");
      await ready(app, replica);
    }
  }
  await traffic.stop();
  expect(traffic.unexpected).toEqual([]);
  expect(traffic.acknowledged.length).toBeGreaterThan(5 * killsPerApp);
  await truth.settled(120_000);
  await truth.addsUp();

  const ids = traffic.acknowledged.map((one) => one.paymentId);
  const stored = await truth.payment`select id, status, fraud_decision from payment where id = any(${ids})`;
  expect(stored.length).toBe(new Set(ids).size);
  expect(new Set(ids).size).toBe(ids.length);
  const [{ extra } = { extra: -1 }] = await truth.payment`
    select count(*)::int - ${ids.length} as extra from payment where tenant_id = ${tenant.tenantId}`;
  expect(extra).toBe(0);
  const final = stored.filter(
    (row) =>
      ["succeeded", "failed", "voided", "expired"].includes(row.status) ||
      (row.status === "flagged" && row.fraud_decision === "block"),
  );
  await eventually(
    () => {
      const missing = final.filter((row) => !settledWebhooks.has(row.id)).length;
      expect(missing).toBe(0);
    },
    { timeoutMs: 120_000 },
  );
  for (const webhookIds of settledWebhooks.values()) expect(webhookIds.size).toBe(1);
}, 1_800_000);
