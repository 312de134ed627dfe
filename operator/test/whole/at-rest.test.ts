import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { isWrite } from "@payflow/testkit/kubernetes/audit-log.ts";
import type { OperatorProcess } from "../setup/operator-process.ts";
import { Workplace } from "../setup/workplace.ts";
import { type Family, leaderOf, makeFamily, settled } from "./fleet.ts";

setDefaultTimeout(1_200_000);

const isThorough = process.env.PAYFLOW_THOROUGH === "1";
const restSeconds = isThorough ? 300 : 8;

let place: Workplace;

beforeAll(async () => {
  place = await Workplace.make({ env: { RESYNC_SECONDS: "2", DELIVERY_STATUS_SECONDS: "1" } });
}, 300_000);

afterAll(() => place?.close());

/** The passes that have ended well, over all kinds. */
async function passes(operator: OperatorProcess): Promise<number> {
  const text = await operator.metrics();
  const counts = text.matchAll(
    /^controller_runtime_reconcile_total\{.*result="(?:success|requeue_after)".*\} (\d+)$/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Waits until everything has been looked at several times, and for as long as was asked for. */
async function rest(operator: OperatorProcess, families: readonly Family[], seconds: number): Promise<void> {
  const begun = await passes(operator);
  const until = performance.now() + seconds * 1_000;
  await eventually(
    async () => performance.now() >= until && (await passes(operator)) >= begun + 9 * families.length,
    { timeoutMs: seconds * 1_000 + 60_000, everyMs: 500 },
  );
}

test("a pass that changes nothing writes nothing: at rest, and after a restart, there are writes to the Lease alone", async () => {
  const first = await place.startOperator();
  await leaderOf([first]);
  const families = await Promise.all(Array.from({ length: 4 }, () => makeFamily(place)));
  const before = await settled(place, families);
  await rest(first, families, 3);
  const mark = await place.cluster.audit.mark();
  await rest(first, families, restSeconds);
  await first.stop();
  const next = await place.startOperator();
  await leaderOf([next]);
  await rest(next, families, restSeconds);
  const requests = await place.cluster.audit.since(mark, place.account.user);
  const written = requests.filter(isWrite);
  expect(written.filter(({ resource }) => resource !== "leases")).toEqual([]);
  expect(written.length).toBeGreaterThan(0);
  const versions = (objects: readonly { metadata: { resourceVersion?: string } }[]) =>
    objects.map(({ metadata }) => metadata.resourceVersion);
  expect(versions(await settled(place, families))).toEqual(versions(before));
});
