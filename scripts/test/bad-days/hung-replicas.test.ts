import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { freeze } from "@payflow/one-machine/processes/freeze.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { documentedApps } from "../platform/open-api.ts";
import { raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { shortWaits, Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(180_000);

let installation: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;

beforeAll(async () => {
  installation = await startInstallation({
    isDurable: false,
    replicas: 2,
    env: shortWaits,
  });
  truth = new Truth(installation);
  tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
}, 60_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
});

/** Waits until whatever was under way at the call is ended and booked. */
async function underWayIsEnded(): Promise<void> {
  const begun = (await truth.payment`select id from payment`).map((row) => String(row.id));
  await eventually(
    async () => {
      const [open] = await truth.payment`
        select count(*)::int as payments from payment where id = any(${begun}) and status = 'processing'`;
      expect(open?.payments).toBe(0);
      const captured = await truth.payment`
        select id from payment where id = any(${begun}) and amount_captured > 0`;
      const booked = await truth.ledger`select payment_id from transfer where type = 'capture'`;
      const bookedIds = new Set(booked.map((row) => row.payment_id));
      expect(captured.filter((row) => !bookedIds.has(row.id)).length).toBe(0);
    },
    { timeoutMs: 60_000, everyMs: 100 },
  );
}

/** Stops the first replica of every app without ending it; returns how to let them go on. */
function freezeFirstReplicas(): () => void {
  const goOn = documentedApps.map((app) => {
    const replica = installation.installation.processes().find(({ name }) => name === `${app}-1`);
    if (!replica?.pid) throw new Error(`${app}-1 does not run`);
    return freeze(replica.pid);
  });
  return () => {
    for (const one of goOn) one();
  };
}

test("while one replica of every app hangs the others end its work, and when it goes on nothing is done twice", async () => {
  const traffic = new Traffic(installation, tenant, 12);
  await traffic.during(async () => {
    await eventually(() => traffic.acknowledged.length > 0, { timeoutMs: 30_000 });
    const goOn = freezeFirstReplicas();
    try {
      await underWayIsEnded();
    } finally {
      goOn();
    }
    const sofar = traffic.acknowledged.length;
    await eventually(() => traffic.acknowledged.length > sofar, { timeoutMs: 30_000 });
  });
  expect(traffic.unexpected).toEqual([]);
  await truth.settled();
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
});
