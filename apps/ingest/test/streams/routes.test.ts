import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  setDefaultTimeout,
  setSystemTime,
  test,
} from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { Streams } from "../../src/streams/start-streams.ts";
import { adminToken, openRoutes, StreamsSpace } from "./streams-space.ts";

setDefaultTimeout(60_000);

const own = "ten_00000000000000000000000001";
const other = "ten_00000000000000000000000002";
const all = "events:read,events:write";

let servers: TestRedisPair;
let space: StreamsSpace;
let streams: Streams;
let call: ReturnType<typeof openRoutes>;

beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());
beforeEach(async () => {
  space = await StreamsSpace.at(servers.durable.url);
  streams = await space.look({ retentionSeconds: 3_600 });
  call = openRoutes(streams, space);
});
afterEach(() => space.end());

const key = (tenantId: string, mode = "live", scopes = all) => `${tenantId}/${mode}/${scopes}`;

/** A group that cannot handle what the tenants send until it is mended. */
async function failing(group = "lake") {
  const state = { isMended: false };
  const read = await space.read(group, async () => {
    if (!state.isMended) throw new Error("the row is too wide");
  });
  return { ...read, state };
}

test("a tenant sees what became of its events, by mode", async () => {
  await streams.registry.register("lake", "warehouse", "0");
  await space.store(2, { tenantId: own });
  await space.store(1, { tenantId: own, mode: "test" });
  await space.store(3, { tenantId: other });
  const before = await eventually(async () => {
    const answer = await call("GET", "/v1/streams", key(own));
    return answer.body.oldest_unexported_seconds > 0.1 && answer;
  });
  expect(before).toMatchObject({
    status: 200,
    body: { tenant_id: own, mode: "live", accepted: 16, exported: 0, dead: 0 },
  });
  expect((await call("GET", "/v1/streams", key(own, "test"))).body).toMatchObject({
    mode: "test",
    accepted: 8,
  });
  await space.read("lake");
  await eventually(async () => {
    const { body } = await call("GET", "/v1/streams", key(own));
    expect(body).toEqual({
      ...{ tenant_id: own, mode: "live", accepted: 16, exported: 16, dead: 0 },
      oldest_unexported_seconds: null,
    });
  });
  // Another tenant's backlog is none of its own.
  await streams.registry.register("late", "webhook", "$");
  await space.store(1, { tenantId: other });
  const { body } = await call("GET", "/v1/streams", key(own));
  expect(body.oldest_unexported_seconds).toBeNull();
});

test("accepted is right also where the process that looked after the streams first had a wrong clock", async () => {
  await space.end();
  setSystemTime(new Date("2099-01-01T00:00:00Z"));
  try {
    space = await StreamsSpace.at(servers.durable.url);
    streams = await space.look();
    await eventually(async () => (await space.redis.hget(space.keys.plan(), "first_month")) !== null);
  } finally {
    setSystemTime();
  }
  await space.store(2, { tenantId: own });
  const { body } = await openRoutes(streams, space)("GET", "/v1/streams", key(own));
  expect(body.accepted).toBe(16);
});

test("exported is what every exporter is done with; what only counts events and outside programs are left out", async () => {
  for (const [group, kind] of [
    ["lake", "warehouse"],
    ["hooks", "webhook"],
    ["insights", "insights"],
    ["mine", "outside"],
  ] as const) {
    await streams.registry.register(group, kind, "0");
  }
  await space.store(1, { tenantId: own });
  await space.read("lake");
  const lake = await eventually(async () => {
    const { body } = await call("GET", "/v1/streams", adminToken);
    const found = body.groups.find((one: { group: string }) => one.group === "lake");
    return found.lag_events === 0 && body;
  });
  expect(
    lake.groups.map((one: { group: string; lag_events: number }) => [one.group, one.lag_events]),
  ).toEqual([
    ["hooks", 8],
    ["insights", 8],
    ["lake", 0],
    ["mine", 8],
  ]);
  expect((await call("GET", "/v1/streams", key(own))).body).toMatchObject({ exported: 0 });
  await space.read("hooks");
  await eventually(async () => (await call("GET", "/v1/streams", key(own))).body.exported === 8);
});

test("the admin token shows the shared streams and their groups", async () => {
  await streams.registry.register("lake", "warehouse", "0");
  await space.store(3, { tenantId: own });
  const { status, body } = await call("GET", "/v1/streams", adminToken);
  expect(status).toBe(200);
  expect(body).toMatchObject({ pressure: "none", length: 24, added: 24, dead: 0 });
  expect(body.groups).toMatchObject([
    { group: "lake", kind: "warehouse", state: "active", start: "oldest", lag_events: 24, pending: 0 },
  ]);
  expect(body.groups[0].lag_seconds).toBeGreaterThan(0);
  expect(body.partitions.map((one: { partition: number }) => one.partition)).toEqual([0, 1, 2, 3]);
  expect(body.partitions.reduce((sum: number, one: { length: number }) => sum + one.length, 0)).toBe(24);
});

test("without the scope nothing is shown, and nobody else's", async () => {
  const refused = await call("GET", "/v1/streams", key(own, "live", "payments:read"));
  expect(refused).toMatchObject({ status: 403, body: { code: "insufficient_scope" } });
  expect(await call("GET", "/v1/dead-letters", "nobody")).toMatchObject({ status: 401 });
  const reading = key(own, "live", "events:read");
  expect(await call("POST", "/v1/dead-letters/redrive", reading, {})).toMatchObject({ status: 403 });
  expect(await call("PUT", "/v1/streams/groups/mine", key(own), {})).toMatchObject({
    status: 401,
    body: { code: "invalid_admin_token" },
  });
});

test("a tenant lists its own dead letters of its mode page by page, newest first; the admin token all", async () => {
  await failing();
  await space.store(2, { tenantId: own });
  await space.store(1, { tenantId: own, mode: "test" });
  await space.store(1, { tenantId: other });
  await eventually(async () => (await call("GET", "/v1/streams", adminToken)).body.dead === 32, {
    timeoutMs: 30_000,
  });
  const pages: { id: string; tenant_id: string; mode: string; sequence: number }[][] = [];
  for (let cursor = ""; ; ) {
    const { body } = await call("GET", `/v1/dead-letters?limit=5${cursor}`, key(own));
    pages.push(body.data);
    if (!body.has_more) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  expect(pages.map((page) => page.length)).toEqual([5, 5, 5, 1]);
  const letters = pages.flat();
  expect(new Set(letters.map((letter) => letter.id)).size).toBe(16);
  for (const letter of letters) expect(letter).toMatchObject({ tenant_id: own, mode: "live" });
  const times = letters.map((letter) => Number(letter.id.split(":")[1]?.split("-")[0]));
  expect(times).toEqual([...times].sort((left, right) => right - left));
  expect(letters[0]).toMatchObject({
    group: "lake",
    reason: "Error: the row is too wide",
    tries: 5,
    event: { body: "as it was" },
  });
  const everything = await call("GET", "/v1/dead-letters?limit=100", adminToken);
  expect(everything.body.data).toHaveLength(32);
  const paged: string[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await call("GET", `/v1/dead-letters?limit=7${cursor}`, adminToken);
    paged.push(...body.data.map((letter: { id: string }) => letter.id));
    if (!body.has_more) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  expect(paged).toEqual(everything.body.data.map((letter: { id: string }) => letter.id));
  expect((await call("GET", "/v1/dead-letters?group=hooks", key(own))).body.data).toEqual([]);
  expect((await call("GET", "/v1/dead-letters?group=lake&limit=100", key(own))).body.data).toHaveLength(16);
  const foreign = (await call("GET", "/v1/dead-letters?limit=5", key(own))).body.next_cursor;
  const mixed = [key(other), key(own, "test"), adminToken];
  for (const credential of mixed) {
    const answer = await call("GET", `/v1/dead-letters?cursor=${foreign}`, credential);
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_cursor" } });
  }
});

test("redriven events come again to the group that failed them, in order, and to no other", async () => {
  const lake = await failing();
  const hooks = await space.read("hooks");
  await space.store(3, { tenantId: own, merchants: ["m1"] });
  await space.store(1, { tenantId: other, merchants: ["m1"] });
  await eventually(async () => (await call("GET", "/v1/streams", adminToken)).body.dead === 4, {
    timeoutMs: 30_000,
  });
  const [theirs] = (await call("GET", "/v1/dead-letters", key(other))).body.data;
  lake.state.isMended = true;
  const foreign = await call("POST", "/v1/dead-letters/redrive", key(own), {
    ids: [theirs.id, "1:2-3", "x"],
  });
  expect(foreign).toMatchObject({ status: 200, body: { redriven: 0 } });
  expect(await call("POST", "/v1/dead-letters/redrive", key(own), {})).toMatchObject({
    body: { redriven: 3 },
  });
  await eventually(() => lake.entries.length === 3);
  expect(lake.entries.map((entry) => [entry.tenantId, entry.sequence])).toEqual([
    [own, 1],
    [own, 2],
    [own, 3],
  ]);
  expect((await call("GET", "/v1/dead-letters", key(own))).body.data).toEqual([]);
  // Behind them comes a new event, which shows that the other group has passed them.
  await space.store(1, { tenantId: own, merchants: ["m1"] });
  await eventually(() => hooks.entries.length === 5);
  expect(hooks.entries.filter((entry) => entry.tenantId === own).map((entry) => entry.sequence)).toEqual([
    1, 2, 3, 4,
  ]);
  const named = await call("POST", "/v1/dead-letters/redrive", adminToken, { ids: [theirs.id, theirs.id] });
  expect(named.body).toEqual({ redriven: 1 });
  await eventually(() => lake.entries.length === 5);
  const { body } = await call("GET", "/v1/streams", key(own));
  expect(body).toMatchObject({ accepted: 4, exported: 4, dead: 0 });
});

test("letters of a group that nobody reads for any more stay where they are", async () => {
  const { running } = await failing();
  await space.store(1, { tenantId: own, merchants: ["m1"] });
  await eventually(async () => (await call("GET", "/v1/streams", key(own))).body.dead === 1);
  await running.stop();
  await streams.registry.deregister("lake");
  expect((await call("POST", "/v1/dead-letters/redrive", key(own), {})).body).toEqual({ redriven: 0 });
  expect((await call("GET", "/v1/dead-letters", key(own))).body.data).toHaveLength(1);
});

test("an outside group is registered, drained and removed by the admin", async () => {
  await space.store(1, { tenantId: own });
  const put = await call("PUT", "/v1/streams/groups/mine", adminToken, { start: "newest" });
  expect(put).toMatchObject({ status: 200, body: { group: "mine", kind: "outside", state: "active" } });
  for (let partition = 0; partition < 4; partition += 1) {
    expect(JSON.stringify(await space.redis.xinfo("GROUPS", space.keys.events(partition)))).toContain("mine");
  }
  const groups = async () => (await call("GET", "/v1/streams", adminToken)).body.groups;
  expect(await groups()).toMatchObject([{ group: "mine", start: "newest", lag_events: 0 }]);
  expect(await call("POST", "/v1/streams/groups/mine/drain", adminToken)).toMatchObject({
    body: { state: "draining" },
  });
  // It has nothing left to read.
  await eventually(async () => (await groups()).length === 0);
  expect(await call("POST", "/v1/streams/groups/mine/drain", adminToken)).toMatchObject({ status: 404 });
  await call("PUT", "/v1/streams/groups/mine", adminToken, {});
  expect(await groups()).toMatchObject([{ group: "mine", start: "oldest", lag_events: 8 }]);
  expect(await call("DELETE", "/v1/streams/groups/mine", adminToken)).toMatchObject({
    body: { state: "removed" },
  });
  expect(await call("DELETE", "/v1/streams/groups/mine", adminToken)).toMatchObject({ status: 404 });
  await streams.registry.register("lake", "warehouse", "0");
  expect(await call("PUT", "/v1/streams/groups/lake", adminToken, {})).toMatchObject({
    status: 409,
    body: { code: "invalid_state" },
  });
  expect(await call("PUT", "/v1/streams/groups/no%20name", adminToken, {})).toMatchObject({ status: 400 });
});

test("a program's group that it registered by itself is shown, without a time that it did not give", async () => {
  const place = { kind: "outside", start: "0", state: "active" };
  await space.redis.hsetnx(space.keys.groups(), "mine", JSON.stringify(place));
  expect((await call("GET", "/v1/streams", adminToken)).body.groups).toMatchObject([
    { group: "mine", kind: "outside", start: "oldest", state: "active", since: null },
  ]);
});

test("an exporter's group keeps its place, and nobody takes the name of one of PayFlow's own", async () => {
  await streams.registry.register("exporter-lake", "warehouse", "0");
  const refused = { status: 409, body: { code: "invalid_state" } };
  expect(await call("DELETE", "/v1/streams/groups/exporter-lake", adminToken)).toMatchObject(refused);
  expect(await call("POST", "/v1/streams/groups/exporter-lake/drain", adminToken)).toMatchObject(refused);
  expect((await call("GET", "/v1/streams", adminToken)).body.groups).toMatchObject([{ state: "active" }]);
  for (const name of ["insights", "exporter-other"]) {
    expect(await call("PUT", `/v1/streams/groups/${name}`, adminToken, {})).toMatchObject(refused);
  }
});

test("while Redis is away the answer is 503, and it comes back by itself", async () => {
  await servers.durable.stop("SIGKILL");
  for (const path of ["/v1/streams", "/v1/dead-letters"]) {
    expect(await call("GET", path, key(own))).toMatchObject({ status: 503, body: { code: "unavailable" } });
  }
  await servers.durable.start();
  await eventually(async () => (await call("GET", "/v1/streams", key(own))).status === 200);
});
