import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from "cloudevents";
import { batch, type EventsSpace, openEvents, post, type Replica, single } from "./events-space.ts";
import { example } from "./example-event.ts";

let space: EventsSpace;
let replica: Replica;

beforeAll(async () => {
  space = await openEvents();
  replica = await space.replica();
});
afterAll(() => space.close());

const json = JSON.stringify;
const ndjson = "application/x-ndjson";

describe("one event", () => {
  test("is taken as the documentation shows it, and stored with its place and number", async () => {
    const { key, tenant } = space.keyOf();
    const event = example({ event_id: "uuid-123" });
    const first = await post(replica, single, { key, body: json(event) });
    expect(first.status).toBe(202);
    const [stored] = await space.stored(tenant.tenantId);
    expect(first.body).toEqual({
      event_id: "uuid-123",
      duplicate: false,
      stream_id: `${stored?.partition}:${stored?.id}`,
      sequence: 1,
      durability: "fsync",
    });
    expect(stored).toMatchObject({ mode: "live", merchant: "abc123", sequence: 1, eventId: "uuid-123" });
    expect(JSON.parse(stored?.event ?? "")).toEqual(event);
    expect(first.headers.get("request-id")).toMatch(/^req_/);
    expect(first.headers.get("ratelimit")).toMatch(/^"events";r=\d+;t=\d+$/);
    const second = await post(replica, single, { key, body: json(example()) });
    expect(second.body.sequence).toBe(2);
  });

  test("sent again is a duplicate, however it is written, and another one under its id is a conflict", async () => {
    const { key, tenant } = space.keyOf();
    const id = crypto.randomUUID();
    const event = example({ event_id: id, event_timestamp: "2026-11-20T12:00:00.500Z", retry_result: null });
    const send = (fields: Record<string, unknown>) =>
      post(replica, single, { key, body: json({ ...event, ...fields }) });
    expect((await send({})).body.duplicate).toBe(false);
    const { retry_result: _, ...without } = event;
    const again = [
      await send({}),
      await send({ event_id: id.toUpperCase() }),
      await send({ event_id: `{${id}}` }),
      await send({ event_id: `urn:uuid:${id}` }),
      await send({ event_timestamp: "2026-11-20T17:30:00.5+05:30" }),
      await post(replica, single, {
        key,
        body: json(Object.fromEntries(Object.entries(without).reverse()), null, 2),
      }),
    ];
    for (const { status, body } of again) {
      expect([status, body.duplicate, body.stream_id, body.sequence]).toEqual([202, true, null, null]);
    }
    expect(again[1]?.body.event_id).toBe(id.toUpperCase());
    const other = await send({ retry_count: 1 });
    expect([other.status, other.body.code]).toEqual([409, "event_conflict"]);
    expect(await space.stored(tenant.tenantId)).toHaveLength(1);
  });

  test("is unique in its tenant, mode and merchant, so that others may use the same id", async () => {
    const live = space.keyOf();
    const test = space.keyOf({ tenantId: live.tenant.tenantId, mode: "test" });
    const stranger = space.keyOf();
    const bodies = ["one", "two"].map((merchant) =>
      json(example({ event_id: "1", merchant_id_hash: merchant })),
    );
    for (const { key } of [live, test, stranger]) {
      for (const body of bodies) {
        const { body: answer } = await post(replica, single, { key, body });
        expect([answer.duplicate, answer.sequence]).toEqual([false, 1]);
      }
    }
    expect(await space.stored(live.tenant.tenantId)).toHaveLength(4);
    expect(await space.stored(stranger.tenant.tenantId)).toHaveLength(2);
  });

  test("of a merchant too many is refused, one of a known merchant is taken", async () => {
    const small = await space.replica({ maxMerchants: 2 });
    const { key, tenant } = space.keyOf();
    const send = (merchant: string) =>
      post(small, single, { key, body: json(example({ merchant_id_hash: merchant })) });
    expect([(await send("a")).status, (await send("b")).status]).toEqual([202, 202]);
    const third = await send("c");
    expect([third.status, third.body.code]).toEqual([422, "too_many_merchants"]);
    expect((await send("a")).body.sequence).toBe(2);
    const lines = ["d", "b"].map((merchant) => json(example({ merchant_id_hash: merchant })));
    const both = await post(small, batch, { key, type: ndjson, body: lines.join("\n") });
    expect(both.body).toMatchObject({ accepted: 1, rejected: 1 });
    expect(both.body.results[0]).toMatchObject({
      status: "invalid",
      errors: [{ pointer: "/merchant_id_hash" }],
    });
    expect(await space.stored(tenant.tenantId)).toHaveLength(4);
  });
});

describe("many events", () => {
  test("are answered one by one: what is wrong with one concerns no other", async () => {
    const { key, tenant } = space.keyOf();
    const event = example({ event_id: "same" });
    const events = [
      event,
      { ...event, amount: 1, event_id: "odd" },
      event,
      { ...event, retry_count: 5 },
      example({ event_id: "last" }),
      { ...event, event_id: 7 },
    ];
    const expected = {
      accepted: 2,
      duplicates: 1,
      rejected: 3,
      durability: "fsync",
      results: [
        { index: 0, event_id: "same", status: "accepted" },
        {
          index: 1,
          event_id: "odd",
          status: "invalid",
          errors: [{ pointer: "/amount", message: "Unexpected property" }],
        },
        { index: 2, event_id: "same", status: "duplicate" },
        { index: 3, event_id: "same", status: "conflict" },
        { index: 4, event_id: "last", status: "accepted" },
        {
          index: 5,
          event_id: null,
          status: "invalid",
          errors: [expect.objectContaining({ pointer: "/event_id" })],
        },
      ],
    };
    const list = await post(replica, batch, { key, body: json(events, null, 1) });
    expect([list.status, list.body]).toEqual([202, expected]);
    const other = space.keyOf();
    const lines = events.map((one) => json(one)).join("\r\n\n");
    const answer = await post(replica, batch, { key: other.key, type: ndjson, body: `\ufeff${lines}\n` });
    expect(answer.body).toEqual(expected);
    const ids = [tenant, other.tenant].map(async ({ tenantId }) =>
      (await space.stored(tenantId)).map(({ sequence, eventId }) => [sequence, eventId]),
    );
    const stored = [
      [1, "same"],
      [2, "last"],
    ];
    expect(await Promise.all(ids)).toEqual([stored, stored]);
  });

  test("are counted in the metrics when they are invalid", async () => {
    const { key } = space.keyOf();
    const fresh = await space.replica();
    await post(fresh, single, { key, body: "{}" });
    await post(fresh, batch, { key, type: ndjson, body: `{}\nno\n${json(example())}` });
    expect(await fresh.metrics.text()).toMatch(/^payflow_ingest_invalid_events_total\{.*\} 3$/m);
  });

  test("may be 10,000 in one body, plain or compressed, and keep their order", async () => {
    const limits = { ...space.keyOf().tenant.limits, events_per_second: 100_000 };
    const events = Array.from({ length: 10_000 }, (_, index) => json(example({ event_id: `e${index}` })));
    const lines = Buffer.from(events.join("\n"));
    for (const [encoding, body] of [
      ["identity", lines],
      ["gzip", gzipSync(lines)],
      ["zstd", zstdCompressSync(lines)],
    ] as const) {
      const { key, tenant } = space.keyOf({ limits });
      const sent = { key, type: ndjson, headers: { "content-encoding": encoding }, body };
      const answer = await post(replica, batch, sent);
      expect([answer.status, answer.body.accepted]).toEqual([202, 10_000]);
      const stored = await space.stored(tenant.tenantId);
      expect(stored.map(({ eventId }) => eventId)).toEqual(events.map((_, index) => `e${index}`));
      expect(stored.at(-1)?.sequence).toBe(10_000);
    }
  }, 60_000);

  test("that are not UTF-8 or not JSON in one line leave the other lines alone", async () => {
    const { key } = space.keyOf();
    const body = Buffer.concat([
      Buffer.from(`${json(example())}\n{"a":\n`),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from(json(example({ channel: "é日" }))),
    ]);
    const { body: answer } = await post(replica, batch, { key, type: ndjson, body });
    expect(answer.results.map((one: { status: string }) => one.status)).toEqual([
      "accepted",
      "invalid",
      "invalid",
      "accepted",
    ]);
  });
});

describe("CloudEvents", () => {
  const cloudEvent = (fields: Record<string, unknown> = {}) => {
    const { event_id: id, ...data } = example(fields);
    return new CloudEvent({ id, source: "/checkout", type: "com.example.payment_exhaust", data });
  };

  test("of the CNCF's own library are taken in binary, structured and batch mode, on both routes", async () => {
    const { key, tenant } = space.keyOf();
    const url = `http://127.0.0.1:${replica.port}`;
    const sent: string[] = [];
    for (const path of [single, batch]) {
      for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
        const emit = emitterFor(httpTransport(`${url}${path}`), { mode });
        const event = cloudEvent({ channel: "wéb" });
        sent.push(event.id);
        // The library types what its transport returns as unknown; this one returns the answer's text.
        const { body } = (await emit(event, { headers: { "x-api-key": key } })) as { body: string };
        const answer = JSON.parse(body);
        if (path === single) expect(answer).toMatchObject({ event_id: event.id, duplicate: false });
        else expect(answer.results).toEqual([{ index: 0, event_id: event.id, status: "accepted" }]);
      }
    }
    const events = [cloudEvent(), cloudEvent(), cloudEvent({ processor: "No" })];
    const body = json(events);
    const headers = { "content-type": "application/cloudevents-batch+json" };
    // What the library itself reads as a batch.
    expect(HTTP.toEvent({ headers, body })).toHaveLength(3);
    const { body: answer } = await post(replica, batch, { key, type: headers["content-type"], body });
    expect(answer.results).toEqual([
      { index: 0, event_id: events[0]?.id, status: "accepted" },
      { index: 1, event_id: events[1]?.id, status: "accepted" },
      {
        index: 2,
        event_id: events[2]?.id,
        status: "invalid",
        errors: [expect.objectContaining({ pointer: "/data/processor" })],
      },
    ]);
    sent.push(events[0]?.id ?? "", events[1]?.id ?? "");
    const stored = await space.stored(tenant.tenantId);
    expect(stored.map(({ eventId }) => eventId)).toEqual(sent);
    expect(JSON.parse(stored[0]?.event ?? "")).toMatchObject({ event_id: sent[0], channel: "wéb" });
  });

  test("lend their id to an event that has none, and carry data as base64 too", async () => {
    const { key } = space.keyOf();
    const own = new CloudEvent({
      id: "envelope",
      source: "/s",
      type: "t",
      data: example({ event_id: "own" }),
    });
    const type = "application/cloudevents+json";
    expect((await post(replica, single, { key, type, body: json(own) })).body.event_id).toBe("own");
    const { data, ...rest } = JSON.parse(json(cloudEvent()));
    const body = json({ ...rest, data_base64: Buffer.from(json(data)).toString("base64") });
    expect((await post(replica, single, { key, type, body })).body.event_id).toBe(rest.id);
    const again = { ...example({ ...data, event_id: rest.id }) };
    expect((await post(replica, single, { key, body: json(again) })).body.duplicate).toBe(true);
    const nothing = json({ ...rest, id: "other", data: { ...data, event_id: null } });
    expect((await post(replica, single, { key, type, body: nothing })).body.event_id).toBe("other");
  });
});
