import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { OperatorProcess } from "../setup/operator-process.ts";
import { expectKeysInOrder, probe, usableKey } from "./key-checks.ts";
import { type TenantHandle, type TenantPlace, tenantPlace } from "./tenants.ts";

const isThorough = process.env.PAYFLOW_THOROUGH === "1";

setDefaultTimeout(isThorough ? 1_800_000 : 600_000);

let tenants: TenantPlace;

beforeAll(async () => {
  tenants = await tenantPlace();
}, 300_000);

afterAll(() => tenants?.close());

const waiting = { timeoutMs: 300_000, everyMs: 20 };

/** After which steps the operator is killed; when thorough, also before each request, until none is left. */
function* pointsOf(names: readonly string[]): Generator<string, void, boolean> {
  if (!isThorough) yield* names;
  else for (let number = 1; yield `*:${number}`; number += 1);
}

/** For each point in turn: work that is broken off there, and what is to hold then and after recovery. */
async function atEachPoint(names: readonly string[], run: (point: string) => Promise<boolean>) {
  const points = pointsOf(names);
  let crashes = 0;
  for (let next = points.next(); !next.done; ) {
    const hasCrashed = await run(next.value);
    if (hasCrashed) crashes += 1;
    next = points.next(hasCrashed);
  }
  // Fewer would mean that some points are no longer passed.
  expect(crashes).toBeGreaterThanOrEqual(names.length);
}

/** Lets the next operator lead at once: what is gone for good need not be waited for. */
async function freeLease(): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${tenants.place.home}/leases/payflow-operator`;
  await tenants.place.cluster.request("PATCH", path, { spec: { holderIdentity: "" } });
}

/** Runs an operator until it has ended at its point, or all is done; whether it has ended. */
async function crashing(point: string, isDone: () => Promise<boolean>): Promise<boolean> {
  const operator = await startOperator({ OPERATOR_CRASH_AT: point });
  const outcome = await eventually(async () => {
    if (operator === undefined || !operator.isRunning()) return "crashed";
    return (await isDone()) ? "done" : false;
  }, waiting);
  // What it does last may come after what was waited for.
  if (outcome === "done") await operator?.kill();
  await freeLease();
  return outcome === "crashed";
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
  await eventually(isDone, waiting);
  await operator.kill();
  await freeLease();
}

const isReady = async (tenant: TenantHandle) => {
  const found = await tenant.get();
  const ready = found?.status?.conditions?.find((one: { type: string }) => one.type === "Ready");
  return ready?.status === "True" && ready.observedGeneration === found?.metadata.generation;
};

/** Later operators are to pass no points for this one. */
const leaveAlone = (tenant: TenantHandle) => tenant.annotate({ "payflow.dev/paused": "true" });

test("killed anywhere while keys are made, what is in the Secret works, and the next operator goes on", async () => {
  const names = ["tenant.finalized", "tenant.put", "api-key.made", "api-key.next-registered"];
  await atEachPoint([...names, "test-api-key.next-registered", "api-key.promoted"], async (point) => {
    const tenant = await tenants.create({ mode: "both" });
    const hasCrashed = await crashing(point, () => isReady(tenant));
    await expectKeysInOrder(tenant, { mayBeUnfinished: true });
    if (hasCrashed) await recovering(() => isReady(tenant));
    await expectKeysInOrder(tenant);
    await leaveAlone(tenant);
    return hasCrashed;
  });
});

test("killed anywhere while a key is replaced, the key in use works at every moment", async () => {
  const tenant = await tenants.create({ apiKey: { rotation: { overlap: "2s" } } });
  await recovering(() => isReady(tenant));
  const watching = probe(tenant);
  const steps = ["made", "next-registered", "promoted", "previous-registered", "previous-dropped"];
  await atEachPoint([...steps.map((step) => `api-key.${step}`), "tenant.reported"], async (point) => {
    const before = await usableKey(tenant);
    await tenant.annotate({ "payflow.dev/rotate-now": point });
    const isReplaced = async () => {
      const status = (await tenant.get())?.status;
      return status?.lastHandledRotateNow === point && status.apiKey.previous === undefined;
    };
    const hasCrashed = await crashing(point, isReplaced);
    await expectKeysInOrder(tenant, { mayBeUnfinished: true });
    if (hasCrashed) await recovering(isReplaced);
    await expectKeysInOrder(tenant);
    expect(await usableKey(tenant)).not.toBe(before);
    return hasCrashed;
  });
  expect(await watching.stop()).toEqual([]);
  await leaveAlone(tenant);
});

test("killed anywhere while a Tenant goes, it goes all the same, and its Secret with it", async () => {
  await atEachPoint(["tenant.ended", "tenant.secret-left"], async (point) => {
    const tenant = await tenants.create({ deletionPolicy: "Archive" });
    await recovering(() => isReady(tenant));
    const key = await usableKey(tenant);
    await tenant.remove();
    const isGone = async () => (await tenant.get()) === undefined;
    const hasCrashed = await crashing(point, isGone);
    if (hasCrashed) await recovering(isGone);
    await eventually(async () => (await tenant.secret()) === undefined, waiting);
    await eventually(async () => (await tenant.ask(key)) === 401, waiting);
    return hasCrashed;
  });
});
