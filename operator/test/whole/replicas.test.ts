import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { isWrite } from "@payflow/testkit/kubernetes/audit-log.ts";
import type { OperatorProcess } from "../setup/operator-process.ts";
import { conditionOf, secretKind } from "../setup/resources.ts";
import { Workplace } from "../setup/workplace.ts";
import { type Family, leaderOf, makeFamily, secondAccount, settled } from "./fleet.ts";
import { holdFirst, proxiedApi, startProxy } from "./proxy.ts";

setDefaultTimeout(300_000);

const isThorough = process.env.PAYFLOW_THOROUGH === "1";

let place: Workplace;
let second: Awaited<ReturnType<typeof secondAccount>>;

beforeAll(async () => {
  place = await Workplace.make();
  second = await secondAccount(place);
}, 300_000);

// One that a failed test has left would lead in the next.
afterEach(async () => {
  await Promise.all(place.operators.map((one) => (one.isRunning() ? one.stop() : undefined)));
});

afterAll(() => place?.close());

/** Everything of a family that a stale leader might change, by version; and what the apps hold of it. */
async function footprint(family: Family): Promise<unknown> {
  const { shop } = place;
  const objects = [...family.members, ...family.secrets.map((name) => [secretKind, name] as const)];
  return Promise.all(
    objects.map(async ([kind, name]) => {
      const { metadata, status } = (await shop.get(kind, name)) ?? {};
      return [name, metadata?.resourceVersion, status];
    }),
  );
}

/** Once nothing of it has changed for a while. */
async function stillFootprint(family: Family): Promise<unknown> {
  let last: unknown;
  return eventually(
    async () => {
      const now = await footprint(family);
      const isStill = JSON.stringify(now) === JSON.stringify(last);
      last = now;
      return isStill && now;
    },
    { everyMs: 1_000, timeoutMs: 30_000 },
  );
}

const shortLease = { LEASE_SECONDS: "3" };

async function rotate({ members }: Family, value: string): Promise<void> {
  for (const [kind, name] of members) {
    await place.shop.annotate(kind, name, { "payflow.dev/rotate-now": value });
  }
}

/** A family whose keys have been replaced once, so that their status says so. */
async function rotatedFamily(): Promise<Family> {
  const operator = await place.startOperator();
  // A rotation would wait for the overlap of the one before.
  const rotation = { overlap: "0s" };
  const family = await makeFamily(place, {
    tenant: { apiKey: { rotation } },
    endpoint: { signing: { rotation } },
  });
  await settled(place, [family]);
  await rotate(family, "0");
  await eventually(() => hasRotated(family, "0"), { timeoutMs: 150_000 });
  await operator.stop();
  return family;
}

/** Lets another operator do everything while this one stands still, and then this one go on. */
async function overtake(
  older: OperatorProcess,
  family: Family,
  value: string,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  const newer = await place.startOperator({ kubeconfig: second.kubeconfig, env: shortLease });
  await leaderOf([newer]);
  await eventually(() => hasRotated(family, value), { timeoutMs: 150_000 });
  const before = await stillFootprint(family);
  const mark = await place.cluster.audit.mark();
  const known = (await older.log()).length;
  await meanwhile();
  older.resume();
  await eventually(async () => (await older.log()).slice(known).includes("leading no longer"));
  const written = (await place.cluster.audit.since(mark, place.account.user)).filter(isWrite);
  // Events are told to people, and nothing is decided by them; the Lease is asked for as by any candidate.
  const changes = written.filter(({ resource }) => resource !== "events" && resource !== "leases");
  expect(changes.filter(({ status }) => status < 400)).toEqual([]);
  expect(await footprint(family)).toEqual(before);
  await Promise.all([older.stop(), newer.stop()]);
}

/** Freezes the leader at a point of replacing keys. False where it has not come to that point. */
async function frozenAt(point: string, family: Family, value: string): Promise<boolean> {
  const older = await place.startOperator({
    env: { ...shortLease, OPERATOR_CRASH_AT: point, OPERATOR_CRASH_SIGNAL: "SIGSTOP" },
  });
  await eventually(async () => older.isFrozen() || (await older.isLeading()), { timeoutMs: 150_000 });
  await rotate(family, value);
  const end = await eventually(
    async () => {
      if (older.isFrozen()) return "frozen";
      return (await hasRotated(family, value)) ? "done" : false;
    },
    { timeoutMs: 150_000 },
  );
  if (end === "frozen") await overtake(older, family, value);
  else await older.stop();
  return end === "frozen";
}

async function hasRotated({ members }: Family, value: string): Promise<boolean> {
  const found = await Promise.all(members.map(([kind, name]) => place.shop.get(kind, name)));
  return found.every((one) => {
    const isReady = conditionOf(one, "Ready")?.status === "True";
    const handled = one?.status.lastHandledRotateNow;
    return isReady && (handled === undefined || handled === value);
  });
}

test("what a frozen leader had under way is refused, by an app for its token, by the API server for its version", async () => {
  const family = await rotatedFamily();
  const api = proxiedApi(place.cluster, place);
  const app = startProxy(place.apps.internalUrl("tenant"));
  const patchTo = (part: string) => () =>
    holdFirst(api.proxy, ({ method, url }) => method === "PATCH" && url.pathname.includes(part));
  const ways = [
    { held: patchTo("/secrets/"), refusal: '"reason":"Conflict"' },
    { held: patchTo("/status"), refusal: '"reason":"Conflict"' },
    { held: () => holdFirst(app, ({ method }) => method === "PUT"), refusal: '"code":"stale_leader"' },
  ];
  for (const [index, { held, refusal }] of ways.entries()) {
    const older = await place.startOperator({
      kubeconfig: api.kubeconfig,
      env: { ...shortLease, TENANT_SERVICE_URL: app.url },
    });
    await leaderOf([older]);
    const holding = held();
    await rotate(family, `held-${index}`);
    await holding.held;
    older.pause();
    await overtake(older, family, `held-${index}`, async () => {
      const { status, text } = await holding.letGo();
      expect([status, text]).toEqual([409, expect.stringContaining(refusal)]);
    });
  }
  await Promise.all([api.proxy.stop(), app.stop()]);
});

test("a leader that was frozen anywhere, and leads no longer, writes nothing when it goes on", async () => {
  const family = await rotatedFamily();
  const points = ["app.sending", "kubernetes.sending", "api-key.next-registered", "signing.replaced"];
  if (!isThorough) {
    for (const point of points) expect([point, await frozenAt(point, family, point)]).toEqual([point, true]);
  }
  for (let number = 1; isThorough && (await frozenAt(`*:${number}`, family, `${number}`)); number += 1);
});
