import { afterAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { takeFlags } from "../../src/payments/fraud/take-flags.ts";
import { clockErrorMs, connectSimulated } from "../../src/processor/simulated-connection.ts";
import { flagged, startRecoveryApp } from "./recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());

test("a call that was given up while it waited charges nothing that recovery has blocked meanwhile", async () => {
  const tenant = app.newTenant();
  const journal = await connectSimulated(app.processorUrl, 1);
  const stuck = app.replica({ journal });
  const only = await journal.sql.reserve();
  const accepted = await stuck.pay(tenant.live);
  expect([accepted.status, accepted.json.status]).toEqual([202, "processing"]);
  const id = accepted.json.payment_id;
  await takeFlags(app.deps, [flagged(tenant, id)]);
  const givenUpAt = performance.now();
  await app.makeDue(id);
  await app.recovery.runOnce();
  await eventually(() => performance.now() > givenUpAt + 3 * clockErrorMs);
  only.release();
  expect((await stuck.pay(tenant.live)).json.status).toBe("succeeded");
  await journal.close();
  expect(await app.payment(tenant.live, id)).toMatchObject({
    status: "flagged",
    amount_captured: 0,
    error: { code: "fraud_blocked" },
  });
  expect(await app.charges([id])).toEqual([]);
});

test("a call that was given up while it waited is made anew by recovery, once", async () => {
  const tenant = app.newTenant();
  const journal = await connectSimulated(app.processorUrl, 1);
  const stuck = app.replica({ journal });
  const only = await journal.sql.reserve();
  const { json } = await stuck.pay(tenant.live);
  const givenUpAt = performance.now();
  await app.makeDue(json.payment_id);
  await app.recovery.runOnce();
  await eventually(() => performance.now() > givenUpAt + 3 * clockErrorMs);
  only.release();
  await stuck.pay(tenant.live);
  await journal.close();
  expect(await app.payment(tenant.live, json.payment_id)).toMatchObject({
    status: "succeeded",
    amount_captured: 1_000,
  });
  expect(await app.charges([json.payment_id])).toMatchObject([{ amount: 1_000, calls: 1 }]);
});

test("nobody is told to ask about a call before all that it can do has been done", async () => {
  const hasty = await startRecoveryApp({ INQUIRY_FIRST_MS: 1, PROCESSOR_TIMEOUT_MS: 300 });
  const lost = { payment_method: "pm_card_timeout_then_succeeded" };
  const { json } = await hasty.pay(hasty.newTenant().live, lost);
  const [row] = await hasty.sql<{ wait: number }[]>`
    select extract(epoch from due_at - now())::float8 * 1000 as wait from payment where id = ${json.payment_id}`;
  await hasty.close();
  expect(row?.wait).toBeWithin(hasty.deps.processor.lingerMs, 300 + hasty.deps.processor.lingerMs);
});
