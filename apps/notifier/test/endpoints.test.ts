import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Scope } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import {
  keyOf,
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  type Replica,
  startReplica,
} from "./fixture.ts";

let database: NotifierDatabase;
let notifier: Replica;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database, { allowPrivate: false, isWorking: false });
}, 60_000);

afterAll(async () => {
  await notifier.stop();
  await database.drop();
});

const wanted = { url: "https://example.com/hooks", events: ["payment.settled"] };
const create = (owner = newOwner(), body: object = wanted) =>
  notifier.call(owner, "POST", "/webhook-endpoints", body);

describe("POST /webhook-endpoints", () => {
  test("adds an endpoint and shows its secret this once", async () => {
    const owner = newOwner();
    const made = await create(owner, {
      ...wanted,
      description: "orders",
      rate_per_second: 5,
      enabled: false,
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      ...wanted,
      tenant_id: owner.tenantId,
      mode: "live",
      description: "orders",
      rate_per_second: 5,
      enabled: false,
      disabled_reason: "owner",
      is_default: false,
    });
    expect(made.body.signing_secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const read = await notifier.call(owner, "GET", `/webhook-endpoints/${made.body.endpoint_id}`);
    const { signing_secret: _secret, ...shown } = made.body;
    expect(read.body).toEqual(shown);
  });

  test("keeps the secret encrypted, with the key's id beside it", async () => {
    const made = await create();
    const [row] = await database.sql`
      select secret, secret_key_id from endpoint where id = ${made.body.endpoint_id}`;
    expect(Buffer.from(row?.secret).toString("latin1")).not.toContain("whsec");
    expect(Buffer.from(row?.secret).toString("latin1")).not.toContain(
      Buffer.from(made.body.signing_secret.slice(6), "base64").toString("latin1"),
    );
    expect(row?.secret_key_id).toMatch(/^[0-9a-f]{12}$/);
  });

  test.each([
    ["/url", { url: "http://example.com/" }],
    ["/url", { url: "https://user:pass@example.com/" }],
    ["/url", { url: "https://example.com/#part" }],
    ["/url", { url: "https://169.254.169.254/latest" }],
    ["/url", { url: "https://2130706433/" }],
    ["/url", { url: "nonsense" }],
    ["/url", { url: `https://example.com/${"x".repeat(2_048)}` }],
    ["/url", { url: 7 }],
    ["/url", { url: undefined }],
    ["/events", { events: [] }],
    ["/events", { events: undefined }],
    ["/events/0", { events: ["payment.exploded"] }],
    ["/events/0", { events: ["*"] }],
    ["/events", { events: ["payment.settled", "payment.settled"] }],
    ["/description", { description: "x".repeat(1_001) }],
    ["/description", { description: "bell\u0007" }],
    ["/enabled", { enabled: "yes" }],
    ["/rate_per_second", { rate_per_second: 0 }],
    ["/secret", { secret: "whsec_mine" }],
  ])("refuses a wrong %s: %j", async (pointer, change) => {
    const refused = await create(newOwner(), { ...wanted, ...change });
    expect(refused.status).toBe(400);
    expect(refused.body.code).toBe("invalid_request");
    expect(refused.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
  });

  test("of sixty at once, fifty are added and ten refused", async () => {
    const owner = newOwner();
    const answers = await Promise.all(Array.from({ length: 60 }, () => create(owner)));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(50);
    const refused = answers.filter((answer) => answer.status !== 201);
    expect(refused.map((answer) => answer.body.code)).toEqual(Array(10).fill("limit_reached"));
    expect((await create({ ...owner, mode: "test" })).status).toBe(201);
    const [some] = answers.filter((answer) => answer.status === 201);
    await notifier.call(owner, "DELETE", `/webhook-endpoints/${some?.body.endpoint_id}`);
    expect((await create(owner)).status).toBe(201);
  });
});

test("a list is paged, newest first, and bound to tenant and mode", async () => {
  const owner = newOwner();
  const made: string[] = [];
  for (let count = 0; count < 5; count += 1) made.unshift((await create(owner)).body.endpoint_id);
  const seen: string[] = [];
  let path: string | null = "/webhook-endpoints?limit=2";
  while (path !== null) {
    const page: { body: { data: { endpoint_id: string }[]; next_cursor: string | null } } =
      await notifier.call(owner, "GET", path);
    seen.push(...page.body.data.map((one) => one.endpoint_id));
    path =
      page.body.next_cursor === null ? null : `/webhook-endpoints?limit=2&cursor=${page.body.next_cursor}`;
  }
  expect(seen).toEqual(made);
  const first = await notifier.call(owner, "GET", "/webhook-endpoints?limit=2");
  for (const other of [newOwner(), { ...owner, mode: "test" as const }]) {
    const foreign = await notifier.call(other, "GET", `/webhook-endpoints?cursor=${first.body.next_cursor}`);
    expect([foreign.status, foreign.body.code]).toEqual([400, "invalid_cursor"]);
    expect((await notifier.call(other, "GET", "/webhook-endpoints")).body.data).toEqual([]);
  }
  expect((await notifier.call(owner, "GET", "/webhook-endpoints?limit=0")).status).toBe(400);
  expect((await notifier.call(owner, "GET", "/webhook-endpoints?order=old")).status).toBe(400);
});

describe("PATCH /webhook-endpoints/:id", () => {
  test("changes what is given and leaves the rest", async () => {
    const owner = newOwner();
    const made = await create(owner, { ...wanted, description: "orders", rate_per_second: 5 });
    const path = `/webhook-endpoints/${made.body.endpoint_id}`;
    const changed = await notifier.call(owner, "PATCH", path, {
      events: ["refund.settled"],
      rate_per_second: null,
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({
      url: wanted.url,
      description: "orders",
      events: ["refund.settled"],
      rate_per_second: null,
    });
    const disabled = await notifier.call(owner, "PATCH", path, { enabled: false });
    expect(disabled.body).toMatchObject({ enabled: false, disabled_reason: "owner" });
    expect(disabled.body.disabled_at).not.toBeNull();
    const enabled = await notifier.call(owner, "PATCH", path, { enabled: true, description: null });
    expect(enabled.body).toMatchObject({
      enabled: true,
      disabled_reason: null,
      disabled_at: null,
      description: null,
    });
  });

  test.each([
    [{}],
    [{ url: "http://example.com" }],
    [{ events: ["nothing"] }],
    [{ mode: "test" }],
    [{ enabled: null }],
  ])("refuses %j", async (body) => {
    const owner = newOwner();
    const made = await create(owner);
    const refused = await notifier.call(owner, "PATCH", `/webhook-endpoints/${made.body.endpoint_id}`, body);
    expect([refused.status, refused.body.code]).toEqual([400, "invalid_request"]);
  });
});

test("a deleted endpoint is gone, and its secrets with it", async () => {
  const owner = newOwner();
  const { body } = await create(owner);
  const path = `/webhook-endpoints/${body.endpoint_id}`;
  expect((await notifier.call(owner, "DELETE", path)).status).toBe(204);
  for (const method of ["GET", "DELETE"]) expect((await notifier.call(owner, method, path)).status).toBe(404);
  expect((await notifier.call(owner, "GET", "/webhook-endpoints")).body.data).toEqual([]);
  const [row] =
    await database.sql`select secret, previous_secret from endpoint where id = ${body.endpoint_id}`;
  expect(row?.secret).toHaveLength(0);
  expect(row?.previous_secret).toBeNull();
});

test("a rotation shows the new secret and when the old one ends", async () => {
  const owner = newOwner();
  const { body } = await create(owner);
  const path = `/webhook-endpoints/${body.endpoint_id}/rotate-secret`;
  const rotated = await notifier.call(owner, "POST", path, { overlap_seconds: 600 });
  expect(rotated.status).toBe(200);
  expect(Object.keys(rotated.body)).toEqual(["endpoint_id", "signing_secret", "previous_expires_at"]);
  expect(rotated.body.signing_secret).not.toBe(body.signing_secret);
  const endsInMs = Date.parse(rotated.body.previous_expires_at) - Date.now();
  expect(endsInMs).toBeGreaterThan(590_000);
  expect(endsInMs).toBeLessThan(610_000);
  expect((await notifier.call(owner, "POST", path)).status).toBe(200);
  for (const overlap_seconds of [-1, 1.5, 604_801, "600"]) {
    expect((await notifier.call(owner, "POST", path, { overlap_seconds })).status).toBe(400);
  }
});

test("a test and a resend take no body but an empty one", async () => {
  const owner = newOwner();
  const { body } = await create(owner);
  const path = `/webhook-endpoints/${body.endpoint_id}/test`;
  expect((await notifier.call(owner, "POST", path, {})).status).toBe(202);
  for (const wrong of [{ event: "payment.settled" }, [], 7, null]) {
    expect((await notifier.call(owner, "POST", path, wrong)).body.code).toBe("invalid_request");
    expect(
      (await notifier.call(owner, "POST", `/webhook-deliveries/${newId("dlv")}/resend`, wrong)).body.code,
    ).toBe("invalid_request");
  }
});

test("a disabled endpoint is not tested", async () => {
  const owner = newOwner();
  const { body } = await create(owner, { ...wanted, enabled: false });
  const refused = await notifier.call(owner, "POST", `/webhook-endpoints/${body.endpoint_id}/test`);
  expect([refused.status, refused.body.code]).toEqual([409, "invalid_state"]);
});

const routes: readonly (readonly [string, string, Scope, object | undefined])[] = [
  ["GET", "", "webhooks:read", undefined],
  ["PATCH", "", "webhooks:write", { enabled: false }],
  ["DELETE", "", "webhooks:write", undefined],
  ["POST", "/rotate-secret", "webhooks:write", { overlap_seconds: 0 }],
  ["POST", "/test", "webhooks:write", undefined],
];

test.each(routes)(
  "%s /webhook-endpoints/:id%s is not there for others and changes nothing",
  async (method, rest, _, body) => {
    const owner = newOwner();
    const made = await create(owner);
    const path = `/webhook-endpoints/${made.body.endpoint_id}`;
    const before = (await notifier.call(owner, "GET", path)).body;
    for (const other of [newOwner(), { ...owner, mode: "test" as const }]) {
      const refused = await notifier.call(other, method, path + rest, body);
      expect([refused.status, refused.body.code]).toEqual([404, "not_found"]);
    }
    for (const id of [newId("whe"), newId("dlv"), "whe_1", "%00", "x".repeat(300)]) {
      expect((await notifier.call(owner, method, `/webhook-endpoints/${id}${rest}`, body)).status).toBe(404);
    }
    expect((await notifier.call(owner, "GET", path)).body).toEqual(before);
  },
);

test.each([...routes, ["POST", "", "webhooks:write", wanted] as const])(
  "%s /webhook-endpoints%s needs its scope",
  async (method, rest, scope, body) => {
    const owner = newOwner();
    const { body: made } = await create(owner);
    const path = body === wanted ? "/webhook-endpoints" : `/webhook-endpoints/${made.endpoint_id}${rest}`;
    const others = keyOf(
      owner,
      scope === "webhooks:read" ? ["webhooks:write"] : ["webhooks:read", "payments:write"],
    );
    const refused = await notifier.call(others, method, path, body);
    expect([refused.status, refused.body.code]).toEqual([403, "insufficient_scope"]);
    expect((await notifier.call(keyOf(owner, [scope]), method, path, body)).status).toBeLessThan(300);
    expect((await notifier.call("no key", method, path, body)).status).toBe(401);
  },
);

describe("the default endpoint", () => {
  const url = "https://example.com/default";

  test("is made once, for all events, and shows its secret only then", async () => {
    const owner = newOwner();
    const made = await notifier.putDefault(owner, url);
    expect(made.signing_secret).toMatch(/^whsec_/);
    const again = await notifier.putDefault(owner, `${url}/2`);
    expect(again).toEqual({ endpoint_id: made.endpoint_id, url: `${url}/2` });
    const read = await notifier.call(owner, "GET", `/webhook-endpoints/${made.endpoint_id}`);
    expect(read.body).toMatchObject({ url: `${url}/2`, is_default: true, enabled: true });
    expect(read.body.events).toHaveLength(9);
  });

  test("is one, however many ask at once", async () => {
    const owner = newOwner();
    const answers = await Promise.all(Array.from({ length: 20 }, () => notifier.putDefault(owner, url)));
    expect(new Set(answers.map((answer) => answer.endpoint_id)).size).toBe(1);
    expect(answers.filter((answer) => answer.signing_secret !== undefined)).toHaveLength(1);
  });

  test("is enabled and gets all events again when it is put again", async () => {
    const owner = newOwner();
    const made = await notifier.putDefault(owner, url);
    const path = `/webhook-endpoints/${made.endpoint_id}`;
    await notifier.call(owner, "PATCH", path, { enabled: false, events: ["payment.created"] });
    await notifier.putDefault(owner, url);
    const read = await notifier.call(owner, "GET", path);
    expect(read.body.enabled).toBe(true);
    expect(read.body.events).toHaveLength(9);
  });

  test("does not pass the limit of fifty, and refuses an unfit URL", async () => {
    const owner = newOwner();
    await Promise.all(Array.from({ length: 50 }, () => create(owner)));
    await expect(notifier.putDefault(owner, url)).rejects.toMatchObject({ reason: "limit_reached" });
    await expect(notifier.putDefault(newOwner(), "https://10.0.0.1/")).rejects.toMatchObject({
      reason: "invalid_request",
    });
  });
});
