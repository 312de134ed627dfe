import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { OperatorProcess } from "../setup/operator-process.ts";
import { expectKeysInOrder, probe, usableKey } from "./key-checks.ts";
import { type TenantHandle, type TenantPlace, tenantPlace } from "./tenants.ts";

setDefaultTimeout(900_000);

let tenants: TenantPlace;

beforeAll(async () => {
  tenants = await tenantPlace();
}, 300_000);

afterAll(() => tenants?.close());

/** Lets the next operator lead at once: what is gone for good need not be waited for. */
async function freeLease(): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${tenants.place.home}/leases/payflow-operator`;
  await tenants.place.cluster.request("PATCH", path, { spec: { holderIdentity: "" } });
}

/** Runs an operator that ends at its n-th point, until it has or all is done; whether it has ended. */
async function crashing(point: number, isDone: () => Promise<boolean>): Promise<boolean> {
  const operator = await startOperator({ OPERATOR_CRASH_AT: `*:${point}` });
  const hasCrashed = await eventually(
    async () => {
      if (operator === undefined || !operator.isRunning()) return "crashed";
      return (await isDone()) ? "done" : false;
    },
    { timeoutMs: 300_000, everyMs: 20 },
  );
  if (hasCrashed === "done") await operator?.stop();
  await freeLease();
  return hasCrashed === "crashed";
}

/** Undefined where it ended before it could be looked at. */
async function startOperator(env: Record<string, string>): Promise<OperatorProcess | undefined> {
  try {
    return await tenants.place.startOperator({ env });
  } catch (error) {
    if (error instanceof Error && error.message.includes("it has ended")) return undefined;
    throw error;
  }
}

/** Runs an operator that is left alone, until all is done. */
async function recovering(isDone: () => Promise<boolean>): Promise<void> {
  const operator = await tenants.place.startOperator();
  await eventually(isDone, { timeoutMs: 300_000, everyMs: 20 });
  await operator.stop();
}

const isReady = async (tenant: TenantHandle) => {
  const found = await tenant.get();
  const ready = found?.status?.conditions?.find((one: { type: string }) => one.type === "Ready");
  return ready?.status === "True" && ready.observedGeneration === found?.metadata.generation;
};

test("killed anywhere while a key is made, what is in the Secret works, and the next operator goes on", async () => {
  for (let point = 1; ; point += 1) {
    const tenant = await tenants.create({ mode: "both" });
    const hasCrashed = await crashing(point, () => isReady(tenant));
    await expectKeysInOrder(tenant, { mayBeUnfinished: true });
    if (!hasCrashed) {
      // Less would mean that some points are no longer passed.
      expect(point).toBeGreaterThan(15);
      return;
    }
    await recovering(() => isReady(tenant));
    await expectKeysInOrder(tenant);
  }
});

test("killed anywhere while a key is replaced, the key in use works at every moment", async () => {
  const tenant = await tenants.create({ apiKey: { rotation: { overlap: "2s" } } });
  await recovering(() => isReady(tenant));
  const watching = probe(tenant);
  for (let point = 1; ; point += 1) {
    const asked = `${point}`;
    await tenant.annotate({ "payflow.dev/rotate-now": asked });
    const isReplaced = async () => {
      const status = (await tenant.get())?.status;
      return status?.lastHandledRotateNow === asked && status.apiKey.previous === undefined;
    };
    const before = await usableKey(tenant);
    const hasCrashed = await crashing(point, isReplaced);
    await expectKeysInOrder(tenant, { mayBeUnfinished: true });
    if (hasCrashed) await recovering(isReplaced);
    await expectKeysInOrder(tenant);
    expect(await usableKey(tenant)).not.toBe(before);
    if (hasCrashed) continue;
    expect(point).toBeGreaterThan(10);
    break;
  }
  expect(await watching.stop()).toEqual([]);
});

test("killed anywhere while a Tenant goes, it goes all the same, and its Secret with it", async () => {
  for (let point = 1; ; point += 1) {
    const tenant = await tenants.create({ deletionPolicy: "Archive" });
    await recovering(() => isReady(tenant));
    const key = await usableKey(tenant);
    await tenant.remove();
    const isGone = async () => (await tenant.get()) === undefined;
    const hasCrashed = await crashing(point, isGone);
    if (hasCrashed) await recovering(isGone);
    await eventually(async () => (await tenant.secret()) === undefined, { timeoutMs: 60_000 });
    await eventually(async () => (await tenant.ask(key)) === 401);
    if (hasCrashed) continue;
    expect(point).toBeGreaterThan(4);
    return;
  }
});
