import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defaultLimits } from "@payflow/contracts/access.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  batch,
  type EventsSpace,
  knows,
  openEvents,
  post,
  postRequest,
  type Replica,
  read,
  single,
} from "./events-space.ts";
import { example } from "./example-event.ts";

let space: EventsSpace;
let replicas: [Replica, Replica];

beforeAll(async () => {
  space = await openEvents();
  replicas = [await space.replica(), await space.replica()];
});
afterAll(() => space.close());

const ndjson = "application/x-ndjson";
const lines = (count: number) => Array.from({ length: count }, () => JSON.stringify(example())).join("\n");

async function usage(key: string) {
  return read(
    await replicas[1].app.handle(new Request("http://localhost/v1/usage", { headers: { "x-api-key": key } })),
  );
}

describe("a tenant's events a second", () => {
  test("are counted by events, by all replicas together, and a body is taken as a whole or not at all", async () => {
    const { key, tenant } = space.keyOf({ limits: { ...defaultLimits, events_per_second: 1 } });
    // Made before, since a limiter that gets no answer for long keeps the rate by itself.
    const bodies = [6_000, 5_000, 2_000, 1_500, 900, 400].map(lines);
    for (const replica of replicas) await knows(replica, key);
    const answers = await Promise.all(
      bodies.map((body, index) =>
        post(replicas[index % 2 === 0 ? 0 : 1], batch, { key, type: ndjson, body }),
      ),
    );
    let accepted = 0;
    for (const { status, body, headers } of answers) {
      expect(headers.get("ratelimit-policy")).toBe('"events";q=10000;w=10000');
      if (status === 202) accepted += body.accepted;
      else {
        expect([status, body.code]).toEqual([429, "rate_limited"]);
        expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      }
    }
    expect(accepted).toBeGreaterThan(7_000);
    expect(accepted).toBeLessThanOrEqual(10_001);
    expect(await space.stored(tenant.tenantId)).toHaveLength(accepted);
  }, 30_000);

  test("are refused to one who is out of them before the body is read, and to nobody else", async () => {
    const { key, tenant } = space.keyOf({ limits: { ...defaultLimits, events_per_second: 1 } });
    await post(replicas[0], batch, { key, type: ndjson, body: lines(10_000) });
    const stored = await space.stored(tenant.tenantId);
    let taken = 0;
    for (const replica of replicas) {
      // A token comes back each second, and a busy machine may let one pass.
      await eventually(async () => {
        const request = postRequest(single, { key, body: JSON.stringify(example()) });
        const answer = await replica.door(request);
        if (answer?.status === 202) taken += 1;
        return answer?.status === 429 && !request.bodyUsed;
      });
    }
    const other = space.keyOf();
    expect(
      (await post(replicas[0], single, { key: other.key, body: JSON.stringify(example()) })).status,
    ).toBe(202);
    expect(await space.stored(tenant.tenantId)).toHaveLength(stored.length + taken);
  }, 30_000);

  test("pay for bodies that cost much and hold little: one event for each 4 KiB", async () => {
    const { key } = space.keyOf({ limits: { ...defaultLimits, events_per_second: 1 } });
    const body = "x".repeat(4_096 * 1_000);
    for (let sent = 0; sent < 10; sent += 1) {
      expect((await post(replicas[0], batch, { key, body })).status).toBe(400);
    }
    await eventually(async () => (await post(replicas[0], single, { key, body: "{}" })).status === 429);
  });
});

describe("a tenant's events a month", () => {
  test("are stored exactly, over both modes and replicas, and refused without storing beyond", async () => {
    const limits = { ...defaultLimits, monthly_events: 1_000 };
    const live = space.keyOf({ limits });
    const test = space.keyOf({ tenantId: live.tenant.tenantId, mode: "test", limits });
    const keys = [live.key, test.key];
    const bodies = Array.from({ length: 60 }, (_, index) => 1 + ((index * 7) % 40));
    const answers = await Promise.all(
      bodies.map((count, index) =>
        post(replicas[index % 2 === 0 ? 0 : 1], batch, {
          key: keys[index % 2] ?? "",
          type: ndjson,
          body: lines(count),
        }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, 429]));
    const send = () => post(replicas[0], single, { key: live.key, body: JSON.stringify(example()) });
    let last = await send();
    while (last.status === 202) last = await send();
    expect(last.body.code).toBe("allowance_exhausted");
    expect(Number(last.headers.get("retry-after"))).toBeLessThanOrEqual(31 * 86_400);
    expect(await space.stored(live.tenant.tenantId)).toHaveLength(1_000);
    const { status, body } = await usage(test.key);
    expect([status, body.accepted.total, body.allowance, body.remaining]).toEqual([200, 1_000, 1_000, 0]);
    expect(body.accepted.live + body.accepted.test).toBe(1_000);
  }, 30_000);

  test("are not used up by repeats, conflicts and what is invalid", async () => {
    const { key } = space.keyOf({ limits: { ...defaultLimits, monthly_events: 10 } });
    const event = example({ event_id: "1" });
    const body = [event, event, { ...event, channel: "app" }, { ...event, amount: 1 }].map((one) =>
      JSON.stringify(one),
    );
    for (let round = 0; round < 5; round += 1) {
      const answer = await post(replicas[0], batch, { key, type: ndjson, body: body.join("\n") });
      expect([answer.status, answer.body.accepted]).toEqual([202, round === 0 ? 1 : 0]);
    }
    expect((await usage(key)).body).toMatchObject({ accepted: { live: 1, test: 0, total: 1 }, remaining: 9 });
    for (let round = 0; round < 9; round += 1) {
      expect((await post(replicas[1], single, { key, body: JSON.stringify(example()) })).status).toBe(202);
    }
    expect((await post(replicas[1], single, { key, body: JSON.stringify(example()) })).status).toBe(429);
    expect((await usage(key)).body.remaining).toBe(0);
  });

  test("are told without a limit too, to keys that may read events alone", async () => {
    const { key } = space.keyOf({ scopes: ["events:read"] });
    const { status, body } = await usage(key);
    expect(status).toBe(200);
    expect(body).toEqual({
      month: new Date().toISOString().slice(0, 7),
      accepted: { live: 0, test: 0, total: 0 },
      allowance: null,
      remaining: null,
      resets_at: expect.stringMatching(/^\d{4}-\d{2}-01T00:00:00\.000Z$/),
    });
    const writer = space.keyOf({ scopes: ["events:write"] });
    expect((await usage(writer.key)).body.code).toBe("insufficient_scope");
    const refused = await post(replicas[0], single, { key, body: JSON.stringify(example()) });
    expect([refused.status, refused.body.code]).toEqual([403, "insufficient_scope"]);
  });
});

describe("while the streams fill up", () => {
  const measured = (memory: number) =>
    ({
      memory,
      queued: 0,
      unreadSeconds: 0,
      drainedPerSecond: 0,
      storedPerSecond: 1,
      elapsedMs: 250,
    }) as const;

  test("everybody is refused at the hard mark before the body is read, and nobody below it", async () => {
    const { key, tenant } = space.keyOf();
    const [replica] = replicas;
    await knows(replica, key);
    for (const path of [single, batch]) {
      replica.pressure.observe(measured(0.95));
      const request = postRequest(path, { key, body: JSON.stringify(example()) });
      const answer = await replica.door(request);
      expect([answer?.status, answer?.headers.get("retry-after"), request.bodyUsed]).toEqual([
        503,
        "5",
        false,
      ]);
      replica.pressure.observe(measured(0.1));
    }
    expect((await post(replica, single, { key, body: JSON.stringify(example()) })).status).toBe(202);
    expect(await space.stored(tenant.tenantId)).toHaveLength(1);
  });

  test("a tenant above its share is refused at the soft mark, and one below it is not", async () => {
    const [replica] = replicas;
    const busy = space.keyOf();
    const quiet = space.keyOf();
    const refused = await eventually(async () => {
      const answer = await post(replica, batch, { key: busy.key, type: ndjson, body: lines(100) });
      const other = await post(replica, single, { key: quiet.key, body: JSON.stringify(example()) });
      expect(other.status).toBe(202);
      replica.pressure.observe(measured(0.75));
      return answer.status !== 202 && answer;
    });
    expect([refused.status, refused.body.code]).toEqual([429, "rate_limited"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    replica.pressure.observe(measured(0.1));
  });
});
