import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { internalEndpointPath, type PutEndpointBody } from "@payflow/contracts/internal-notifier.ts";
import { type Governor, governedId, governorHeaders } from "@payflow/contracts/internal-operator.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Webhook } from "standardwebhooks";
import { newSigningSecret } from "../src/sending/signature.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { type Receiver, startHangingReceiver, startReceiver } from "./receiver.ts";

setDefaultTimeout(30_000);

let database: NotifierDatabase;
let notifier: Replica;
let receiver: Receiver;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database);
  // The path says what is answered.
  receiver = startReceiver(({ path }) => new Response("", { status: Number(path.split("/")[1]) || 200 }));
}, 60_000);

afterAll(async () => {
  receiver.close();
  await notifier.stop();
  await database.drop();
});

/** A resource as the leading operator sees it. Each has a cluster of its own, so that tests share no fence. */
function newResource(given: Partial<PutEndpointBody> = {}) {
  const uid = crypto.randomUUID();
  const owner = newOwner();
  const spec: PutEndpointBody = {
    tenant_id: owner.tenantId,
    mode: owner.mode,
    url: receiver.url,
    events: ["payment.settled"],
    enabled: true,
    signing: { secret: newSigningSecret(), overlap_seconds: 3_600 },
    delivery: { timeout_seconds: 10, max_attempts: 10, rate_per_second: null },
    ...given,
  };
  const governor = (generation = 1, transitions = 1): Governor => ({
    owner: { cluster: uid, namespace: "shop", name: "hook", uid },
    generation,
    fence: { lease: "payflow", createdMs: 1_000, transitions },
  });
  const id = governedId("whe", uid);
  const path = internalEndpointPath(id);
  return {
    id,
    owner,
    spec,
    governor,
    put: (changed: object = {}, by = governor()) =>
      notifier.govern("PUT", path, governorHeaders(by), { ...spec, ...changed }),
    get: async () => (await notifier.govern("GET", path, {})).body,
    delete: (policy: string, by = governor()) =>
      notifier.govern("DELETE", `${path}?policy=${policy}`, governorHeaders(by)),
    /** What the receiver got of an event of the tenant's. */
    async received() {
      const event = paymentSettled(owner);
      await notifier.consume(event);
      return eventually(() => receiver.received.find((one) => one.body.includes(event.event_id)) ?? false);
    },
  };
}

const verifies = (one: { headers: Headers; body: string }, secret: string) => {
  try {
    return new Webhook(secret).verify(one.body, Object.fromEntries(one.headers)) !== undefined;
  } catch {
    return false;
  }
};

describe("an endpoint of a resource", () => {
  test("is made once, delivers with the operator's secret, and putting it again writes nothing", async () => {
    const resource = newResource();
    const made = await resource.put();
    expect([made.status, made.body]).toMatchObject([
      200,
      {
        endpoint_id: resource.id,
        enabled: true,
        state: "open",
        generation: 1,
        delivery: resource.spec.delivery,
        status: { pending: 0, dead: 0, last_success_at: null, auto_disabled: null },
      },
    ]);
    expect(made.body.signing_secret).toBeUndefined();
    const rows = () => database.sql`select xmin, * from endpoint where id = ${resource.id}`.values();
    const before = await rows();
    const again = await Promise.all([resource.put(), resource.put()]);
    expect(again.map((answer) => answer.body)).toEqual([made.body, made.body]);
    expect(await rows()).toEqual(before);
    expect(verifies(await resource.received(), resource.spec.signing.secret ?? "")).toBe(true);
    await eventually(async () => expect((await resource.get()).status.last_status_code).toBe(200));
    expect((await resource.get()).status).toMatchObject({ last_failure_at: null, consecutive_failures: 0 });
  });

  test("without a secret gets one, shown by the answer that made it alone", async () => {
    const resource = newResource({ signing: { overlap_seconds: 0 } });
    const made = await resource.put();
    expect(made.body.signing_secret).toMatch(/^whsec_/);
    expect((await resource.put()).body.signing_secret).toBeUndefined();
    expect(verifies(await resource.received(), made.body.signing_secret)).toBe(true);
  });

  test("is signed with both secrets while they overlap, and with the new one alone afterwards", async () => {
    const resource = newResource();
    await resource.put();
    const [older, newer] = [resource.spec.signing.secret ?? "", newSigningSecret()];
    const signing = { secret: newer, overlap_seconds: 3_600 };
    const rotated = await resource.put({ signing }, resource.governor(2));
    expect(rotated.body.signing.previous_expires_at).not.toBeNull();
    expect((await resource.put({ signing }, resource.governor(2))).body).toEqual(rotated.body);
    const during = await resource.received();
    expect([verifies(during, older), verifies(during, newer)]).toEqual([true, true]);
    await database.advance(3_601);
    const after = await resource.received();
    expect([verifies(after, older), verifies(after, newer)]).toEqual([false, true]);
  });

  test("has an overlap that is cut short when it asks, and never prolonged", async () => {
    const resource = newResource();
    await resource.put();
    const [older, newer] = [resource.spec.signing.secret ?? "", newSigningSecret()];
    const put = (seconds: number) =>
      resource.put({ signing: { secret: newer, overlap_seconds: seconds } }, resource.governor(2));
    const rotated = await put(3_600);
    expect((await put(7_200)).body).toEqual(rotated.body);
    const cut = (await put(60)).body.signing.previous_expires_at;
    expect(Date.parse(rotated.body.signing.previous_expires_at) - Date.parse(cut)).toBeGreaterThan(3_500_000);
    expect((await put(3_600)).body.signing.previous_expires_at).toBe(cut);
    await put(0);
    const after = await resource.received();
    expect([verifies(after, older), verifies(after, newer)]).toEqual([false, true]);
  });

  test("keeps tenant and mode for good, and refuses what is not fit", async () => {
    const resource = newResource();
    await resource.put();
    const moved = await resource.put({ tenant_id: newOwner().tenantId, mode: "test" }, resource.governor(2));
    expect([moved.status, moved.body.code]).toEqual([422, "immutable_field"]);
    const pointers = moved.body.errors.map((one: { pointer: string }) => one.pointer);
    expect(pointers).toEqual(["/tenant_id", "/mode"]);
    expect((await resource.put({ url: "ftp://example.com" })).body.errors[0].pointer).toBe("/url");
    expect((await resource.put({ events: ["nothing.known"] })).status).toBe(400);
    expect(await resource.get()).toMatchObject({ generation: 1, url: receiver.url });
  });

  test("gets no more attempts, and no more time for one, than its resource says", async () => {
    const failing = newResource();
    const delivery = { timeout_seconds: 1, max_attempts: 1, rate_per_second: null };
    await failing.put({ url: `${receiver.url}/500`, delivery });
    const hanging = startHangingReceiver();
    const slow = newResource();
    await slow.put({ url: hanging.url, delivery });
    await notifier.consume(paymentSettled(failing.owner), paymentSettled(slow.owner));
    const statusOf = async (resource: typeof failing) => {
      const { status } = await eventually(async () => {
        const found = await resource.get();
        return found.status.dead === 1 && found;
      });
      return status;
    };
    expect(await statusOf(failing)).toMatchObject({
      last_status_code: 500,
      consecutive_failures: 1,
      pending: 0,
    });
    const timedOut = await statusOf(slow);
    expect(timedOut).toMatchObject({ last_status_code: null, dead: 1 });
    expect(timedOut.last_failure_at).not.toBeNull();
    hanging.close();
  });

  test("that failures disabled is enabled again by a change of its resource, and not by a repeat", async () => {
    const resource = newResource();
    const gone = { url: `${receiver.url}/410` };
    await resource.put(gone);
    await notifier.consume(paymentSettled(resource.owner));
    await eventually(async () => expect((await resource.get()).status.auto_disabled).toBe("gone"));
    await resource.put(gone);
    expect(await resource.get()).toMatchObject({ enabled: true, status: { auto_disabled: "gone" } });
    await resource.put({}, resource.governor(2));
    expect(await resource.get()).toMatchObject({ enabled: true, status: { auto_disabled: null } });
    await resource.received();
    await resource.put({ enabled: false }, resource.governor(3));
    expect(await resource.get()).toMatchObject({ enabled: false, status: { auto_disabled: null } });
    await resource.put({}, resource.governor(4));
    await resource.received();
  });
});

test("a stale leader and a stale generation write nothing, also beside a newer leader", async () => {
  const resource = newResource();
  await resource.put({}, resource.governor(2, 5));
  const stale = await resource.put({ enabled: false }, resource.governor(2, 4));
  expect([stale.status, stale.body.code]).toEqual([409, "stale_leader"]);
  const older = await resource.put({ enabled: false }, resource.governor(1, 5));
  expect([older.status, older.body.code]).toEqual([409, "stale_generation"]);
  expect((await resource.delete("immediate", resource.governor(2, 4))).body.code).toBe("stale_leader");
  for (let round = 6; round < 12; round += 1) {
    const answers = await Promise.all([
      resource.put({ enabled: false }, resource.governor(2, round - 1)),
      resource.put({ enabled: true }, resource.governor(2, round)),
    ]);
    expect(answers[1].status).toBe(200);
    expect(await resource.get()).toMatchObject({ enabled: true });
  }
});

test("REST only reads an endpoint that a resource governs", async () => {
  const { owner, ...resource } = newResource();
  await resource.put();
  const path = `/webhook-endpoints/${resource.id}`;
  for (const [method, suffix, body] of [
    ["PATCH", "", { enabled: false }],
    ["DELETE", "", undefined],
    ["POST", "/rotate-secret", {}],
  ] as const) {
    const answer = await notifier.call(owner, method, path + suffix, body);
    expect([method, answer.status, answer.body.code]).toEqual([method, 409, "managed_by_kubernetes"]);
  }
  expect((await notifier.call(owner, "GET", path)).body).toMatchObject({
    managed_by: "kubernetes",
    enabled: true,
  });
  expect((await notifier.call(owner, "POST", `${path}/test`)).status).toBe(202);
  expect((await notifier.call(newOwner(), "PATCH", path, { enabled: false })).status).toBe(404);
});

describe("a deleted resource's endpoint", () => {
  /** An endpoint with a delivery that waits for its second attempt. */
  async function waiting() {
    const resource = newResource();
    await resource.put({ url: `${receiver.url}/500` });
    await notifier.consume(paymentSettled(resource.owner));
    await eventually(async () =>
      expect((await resource.get()).status).toMatchObject({ consecutive_failures: 1, pending: 1 }),
    );
    return resource;
  }

  test("that is drained sends what waits, takes nothing new, and then goes", async () => {
    const resource = await waiting();
    const draining = await resource.delete("drain");
    expect([draining.status, draining.body]).toMatchObject([
      200,
      { state: "draining", status: { pending: 1 } },
    ]);
    expect((await resource.delete("drain")).body.state).toBe("draining");
    expect((await resource.put()).body.code).toBe("invalid_state");
    await notifier.consume(paymentSettled(resource.owner));
    expect((await resource.get()).status.pending).toBe(1);
    await notifier.finishDrains();
    expect((await resource.get()).state).toBe("draining");
    await database.sql`update endpoint set url = ${receiver.url} where id = ${resource.id}`;
    await database.advance(60);
    notifier.worker?.wake();
    await eventually(async () => expect((await resource.get()).status.pending).toBe(0));
    await notifier.finishDrains();
    expect((await resource.get()).state).toBe("deleted");
    expect((await notifier.call(resource.owner, "GET", `/webhook-endpoints/${resource.id}`)).status).toBe(
      404,
    );
  });

  test("that goes at once sends nothing more", async () => {
    const resource = await waiting();
    expect((await resource.delete("immediate")).body.state).toBe("deleted");
    expect((await resource.delete("immediate")).body.state).toBe("deleted");
    const seen = receiver.received.length;
    await database.advance(60);
    await notifier.upkeep.cancelOrphans(100, 30);
    await eventually(async () => expect((await resource.get()).status.pending).toBe(0));
    expect(receiver.received.length).toBe(seen);
  });

  test("that was never made is not found, and a late put of an older leader does not make it", async () => {
    const resource = newResource();
    expect((await resource.delete("drain", resource.governor(2, 5))).status).toBe(404);
    expect((await resource.delete("drain", resource.governor(2, 5))).status).toBe(404);
    expect((await resource.put({}, resource.governor(1, 4))).body.code).toBe("stale_leader");
    expect((await resource.put({}, resource.governor(1, 5))).body.code).toBe("stale_generation");
    expect((await resource.put({}, resource.governor(2, 5))).body.code).toBe("invalid_state");
  });
});
