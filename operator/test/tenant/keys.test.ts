import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { secretKind } from "../setup/resources.ts";
import { expectKeysInOrder, usableKey } from "./key-checks.ts";
import { type TenantHandle, type TenantPlace, tenantPlace } from "./tenants.ts";

setDefaultTimeout(300_000);

let tenants: TenantPlace;

beforeAll(async () => {
  tenants = await tenantPlace({ env: { LEASE_SECONDS: "3" } });
  await tenants.place.startOperator();
}, 300_000);

afterAll(() => tenants?.close());

const waiting = { timeoutMs: 150_000, everyMs: 50 };

/** Asks for a new key and waits until it is in use. */
async function rotate(tenant: TenantHandle, value: string): Promise<string> {
  const before = await tenant.key();
  await tenant.annotate({ "payflow.dev/rotate-now": value });
  return eventually(async () => {
    const now = await tenant.key();
    return now !== before && (await tenant.get())?.status.lastHandledRotateNow === value ? now : false;
  }, waiting);
}

describe("a key is replaced", () => {
  test("under load without a 401, by programs that read the Secret again each second", async () => {
    const tenant = await tenants.create({ apiKey: { rotation: { overlap: "5s" } } });
    await tenant.ready();
    const answers = new Map<number, number>();
    let isOver = false;
    const program = async () => {
      while (!isOver) {
        const key = await tenant.key();
        for (const until = performance.now() + 1_000; performance.now() < until && !isOver; ) {
          const status = await tenant.ask(key);
          answers.set(status, (answers.get(status) ?? 0) + 1);
        }
      }
    };
    const programs = Array.from({ length: 4 }, program);
    for (let round = 0; round < 3; round += 1) {
      await rotate(tenant, `round ${round}`);
      await tenant.condition("KeyRotating", "False");
    }
    isOver = true;
    await Promise.all(programs);
    expect([...answers.keys()]).not.toContain(401);
    expect(answers.get(200)).toBeGreaterThan(100);
    await expectKeysInOrder(tenant);
  });

  test("when the annotation asks: both work for the overlap, and the old one's end is told", async () => {
    const tenant = await tenants.create({ apiKey: { rotation: { overlap: "1h" } } });
    await tenant.ready();
    const before = await tenant.key();
    const after = await rotate(tenant, "please");
    expect([await tenant.ask(before), await tenant.ask(after)]).toEqual([200, 200]);
    const { message } = await tenant.condition("KeyRotating", "True");
    const { status } = (await tenant.get()) ?? {};
    expect(message).toContain(status.apiKey.previous.expiresAt);
    expect((await tenant.secret())?.["api-key-previous"]).toBe(before);
    const minutes = (Date.parse(status.apiKey.previous.expiresAt) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(50);
    expect(minutes).toBeLessThan(61);
    expect((await tenant.eventOf("KeyRotation")).note).toContain("rotate-now");
    // Whoever cannot wait cuts the overlap short.
    await tenant.change({ apiKey: { rotation: { overlap: "0s" } } });
    await eventually(async () => (await tenant.ask(before)) === 401, waiting);
    await tenant.condition("KeyRotating", "False");
    expect(Object.keys((await tenant.secret()) ?? {}).sort()).toEqual(["api-key", "tenant-id"]);
  });

  test("by schedule", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const before = await tenant.key();
    const rotation = { policy: "Scheduled", interval: "1m", overlap: "1s" };
    await tenant.change({ apiKey: { rotation } });
    const found = await tenant.ready();
    const { issuedAt, nextRotation } = found.status.apiKey;
    expect(Date.parse(nextRotation) - Date.parse(issuedAt)).toBe(60_000);
    // Time passes faster where the Secret says that the key is older.
    const since = new Date(Date.now() - 61_000).toISOString();
    await tenant.shop.annotate(secretKind, tenant.secretName, { "payflow.dev/api-key-since": since });
    await eventually(async () => (await tenant.key()) !== before, waiting);
    await tenant.condition("KeyRotating", "False");
    await expectKeysInOrder(tenant);
  });

  test("and the old one ends on time though no operator lives", async () => {
    const tenant = await tenants.create({ apiKey: { rotation: { overlap: "4s" } } });
    await tenant.ready();
    const before = await tenant.key();
    await rotate(tenant, "then die");
    await eventually(async () => {
      const keys = await tenant.activeKeys();
      return keys.length < 2 || keys.some((key) => key.expires_at !== null);
    }, waiting);
    await tenants.place.operators.at(-1)?.kill();
    await eventually(async () => (await tenant.ask(before)) === 401, waiting);
    expect(await tenant.ask(await tenant.key())).toBe(200);
    await tenants.place.startOperator();
    await tenant.condition("KeyRotating", "False");
    await expectKeysInOrder(tenant);
  });
});

describe("a Secret", () => {
  test("that is deleted is made again with a new key, the old one is revoked, and an Event says so", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const before = await tenant.key();
    await tenant.shop.remove(secretKind, tenant.secretName);
    await eventually(async () => {
      const key = (await tenant.secret())?.["api-key"];
      return key !== undefined && key !== before && (await tenant.ask(key)) === 200;
    }, waiting);
    await eventually(async () => (await tenant.ask(before)) === 401, waiting);
    const { note, type } = await tenant.eventOf("KeyReplaced");
    expect([type, note]).toEqual(["Warning", expect.stringContaining("missing from the Secret")]);
    await eventually(() => expectKeysInOrder(tenant).then(() => true), waiting);
  });

  test("that is edited is put right, whatever was written there", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    for (const text of ["no key at all", makeApiKey("test"), makeApiKey("live")]) {
      const before = await tenant.key();
      const data = { "api-key": btoa(text), "tenant-id": btoa("another") };
      await tenant.shop.patch(secretKind, tenant.secretName, { data });
      await eventually(async () => {
        const key = await tenant.key();
        return key !== text && key !== before && (await tenant.ask(key)) === 200;
      }, waiting);
      await eventually(async () => (await tenant.ask(before)) === 401, waiting);
      expect(await tenant.ask(text)).toBe(401);
    }
    const { "tenant-id": id } = (await tenant.secret()) ?? {};
    expect(id).toBe((await tenant.get())?.status.tenantId);
    expect((await tenant.eventOf("KeyReplaced")).note).toContain("changed in the Secret");
    await eventually(() => expectKeysInOrder(tenant).then(() => true), waiting);
  });

  test("that a program overwrites all the time does not get keys as fast as that", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const told = tenant.condition("Reconciling", "True", "TooManyKeys").then(() => true);
    let isTold = false;
    void told.then(() => {
      isTold = true;
    });
    while (!isTold) {
      await tenant.shop.patch(secretKind, tenant.secretName, { data: { "api-key": btoa("mine") } });
    }
    const id = (await tenant.get())?.status.tenantId;
    const [made] = await tenants.database`select count(*)::int as keys from api_key where tenant_id = ${id}`;
    expect(made?.keys).toBeLessThanOrEqual(25);
    await tenant.ready();
    expect(await tenant.ask(await tenant.key())).toBe(200);
    await eventually(() => expectKeysInOrder(tenant).then(() => true), waiting);
  });

  test("that is made immutable is said to be in the way of a rotation, until it is deleted", async () => {
    const tenant = await tenants.create({ apiKey: { rotation: { overlap: "1h" } } });
    await tenant.ready();
    const before = await tenant.key();
    await tenant.shop.patch(secretKind, tenant.secretName, { immutable: true });
    await tenant.annotate({ "payflow.dev/force-sync": "1" });
    await eventually(async () => (await tenant.get())?.status.lastHandledForceSync === "1", waiting);
    await tenant.ready();
    await tenant.annotate({ "payflow.dev/rotate-now": "please" });
    const { message } = await tenant.condition("Stalled", "True", "SecretImmutable");
    expect(message).toContain(`The Secret ${tenant.secretName} was set to be immutable`);
    expect(message).toContain("Delete it");
    expect(await tenant.key()).toBe(before);
    expect(await tenant.ask(before)).toBe(200);
    await tenant.shop.remove(secretKind, tenant.secretName);
    await tenant.ready();
    expect(await tenant.key()).not.toBe(before);
    await eventually(async () => (await tenant.ask(before)) === 401, waiting);
    await expectKeysInOrder(tenant);
  });

  test("keeps what others add to it, and gets its label back", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const before = await tenant.key();
    const labels = { "app.kubernetes.io/managed-by": null, team: "shop" };
    const data = { note: btoa("ours") };
    await tenant.shop.patch(secretKind, tenant.secretName, { metadata: { labels }, data });
    await eventually(async () => {
      const found = await tenant.shop.get(secretKind, tenant.secretName);
      return found?.metadata.labels?.["app.kubernetes.io/managed-by"] === "payflow-operator";
    }, waiting);
    const found = await tenant.shop.get(secretKind, tenant.secretName);
    expect(found?.metadata.labels?.team).toBe("shop");
    expect(await tenant.secret()).toMatchObject({ note: "ours", "api-key": before });
    expect(await usableKey(tenant)).toBe(before);
  });
});

test("a key stands in no log, no Event and no status", async () => {
  const tenant = await tenants.create({ mode: "both", apiKey: { rotation: { overlap: "1h" } } });
  await tenant.ready();
  await rotate(tenant, "once");
  const values = Object.entries((await tenant.secret()) ?? {}).filter(([name]) => name !== "tenant-id");
  expect(values.length).toBe(4);
  const told = [
    ...(await Promise.all(tenants.place.operators.map((operator) => operator.log()))),
    JSON.stringify([await tenant.get(), await tenant.events(), await tenant.inApp()]),
    JSON.stringify((await tenant.shop.get(secretKind, tenant.secretName))?.metadata),
  ];
  for (const [, key] of values) {
    for (const text of told) {
      // The random part; the beginning is the same for all keys of a mode.
      expect(text.includes(key.slice(9, 25)) || text.includes(btoa(key).slice(12, 32))).toBe(false);
    }
  }
});
