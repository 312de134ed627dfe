import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type OwnTestCluster, ownTestCluster } from "@payflow/testkit/kubernetes.ts";
import { conditionOf } from "../setup/resources.ts";
import { Workplace } from "../setup/workplace.ts";
import { makeFamily, settled } from "./fleet.ts";

setDefaultTimeout(600_000);

const isThorough = process.env.PAYFLOW_THOROUGH === "1";
const awayMs = isThorough ? 60_000 : 10_000;
/** What is allowed until all is right after an outage. */
const recoveryMs = 30_000;

let cluster: OwnTestCluster;
let place: Workplace;

beforeAll(async () => {
  cluster = await ownTestCluster();
  place = await Workplace.make({ cluster });
  await Promise.all([place.startOperator(), place.startOperator()]);
}, 300_000);

afterAll(async () => {
  await place?.close();
  await cluster?.stop();
});

/** Lets time pass in which the operators must live on. */
async function away(): Promise<void> {
  const until = performance.now() + awayMs;
  await eventually(
    () => {
      expect(place.operators.every((one) => one.isRunning())).toBe(true);
      return performance.now() >= until;
    },
    { timeoutMs: awayMs + 10_000, everyMs: 500 },
  );
}

test("with the API server away nobody crashes, and all is right soon after its return", async () => {
  const family = await makeFamily(place);
  await settled(place, [family]);
  const [, tenant] = family.members[1] ?? [];
  const key = (await place.shop.secret(`${tenant}-api-key`))?.["api-key"] ?? "";
  await cluster.stop("kube-apiserver");
  await away();
  // Nobody who pays needs the API server.
  const paid = await fetch(`${place.apps.url("payment")}/payments`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
    body: JSON.stringify({ amount: 100, currency: "INR" }),
  });
  expect(paid.status).toBe(201);
  await cluster.start("kube-apiserver");
  await settled(place, [family, await makeFamily(place)], recoveryMs);
  expect(place.operators.every((one) => one.isRunning())).toBe(true);
});

test("with the apps away their resources say so, and are ready soon after the return", async () => {
  const family = await makeFamily(place);
  await settled(place, [family]);
  const apps = ["tenant", "notifier", "fraud"];
  for (const app of apps) await place.apps.installation.stopApp(app, 1, "SIGKILL");
  for (const [kind, name] of family.members) {
    await place.shop.annotate(kind, name, { "payflow.dev/force-sync": "away" });
  }
  const late = await makeFamily(place);
  const reasons = await eventually(async () => {
    const [policy, tenant] = late.members;
    const waiting = [...family.members, ...(policy ? [policy] : []), ...(tenant ? [tenant] : [])];
    const found = await Promise.all(waiting.map(([kind, name]) => place.shop.get(kind, name)));
    const told = found.map((one) => conditionOf(one, "Reconciling"));
    expect(told.map((one) => one?.status)).toEqual(waiting.map(() => "True"));
    return told.map((one) => one?.reason);
  });
  expect([...new Set(reasons)]).toEqual(["Unavailable"]);
  await away();
  await Promise.all(apps.map((app) => place.apps.installation.startApp(app)));
  await settled(place, [family, late], recoveryMs);
  expect(place.operators.every((one) => one.isRunning())).toBe(true);
});
