import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { governedKeyId, governorHeaders } from "@payflow/contracts/internal-operator.ts";
import { internalTenantPath } from "@payflow/contracts/internal-tenant.ts";
import { hashApiKey, makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { adminToken, call, internalSecret } from "../harness.ts";
import {
  answerOf,
  changesOf,
  database,
  limits,
  made,
  newResource,
  other,
  replica,
  spec,
  useGovernedTenants,
  withinASecond,
} from "./governed-tenants.ts";

setDefaultTimeout(30_000);
useGovernedTenants();

const noLimits = { requests_per_second: 7, burst: 7, events_per_second: 7, monthly_events: null };

describe("a tenant of a resource", () => {
  test("is made once, and putting it again writes nothing", async () => {
    const resource = newResource();
    const first = await resource.put();
    expect([first.status, first.body]).toMatchObject([
      200,
      {
        tenant_id: resource.id,
        name: "Quiet Books",
        status: "active",
        state: "open",
        mode: "both",
        currency: "INR",
        managed_by: "kubernetes",
        generation: 1,
        limits,
        keys: [],
      },
    ]);
    const rows = () =>
      database.sql`
      select t.xmin, g.xmin from tenant t join governed_object g on g.id = t.tenant_id
       where t.tenant_id = ${resource.id}`.values();
    const before = await rows();
    const again = await Promise.all([resource.put(), resource.put(), resource.put()]);
    expect(again.map((answer) => answer.body)).toEqual([first.body, first.body, first.body]);
    expect(await rows()).toEqual(before);
    expect(await changesOf(resource.id)).toEqual(["registered"]);
  });

  test("put many times at once is one tenant", async () => {
    const resource = newResource();
    const answers = await Promise.all(Array.from({ length: 8 }, () => resource.put()));
    expect(answers.map((answer) => answer.status)).toEqual(Array(8).fill(200));
    expect(await changesOf(resource.id)).toEqual(["registered"]);
  });

  test("follows its resource, and its keys feel that within a second", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    expect(await answerOf(key)).toBe("40/s");
    const slower = { ...spec, limits: { ...limits, ...noLimits } };
    await resource.put(slower, resource.governor({ generation: 2 }));
    await withinASecond(key, "7/s");
    await resource.put({ ...slower, suspended: true }, resource.governor({ generation: 3 }));
    await withinASecond(key, "tenant_suspended");
    await resource.put({ ...slower, name: "Loud" }, resource.governor({ generation: 4 }));
    await withinASecond(key, "7/s");
    expect(await changesOf(resource.id)).toEqual(["registered", "limits", "suspended", "updated", "resumed"]);
    expect((await resource.get()).body).toMatchObject({ name: "Loud", generation: 4 });
  });

  test("keeps mode and currency for good", async () => {
    const resource = await made();
    const changed = { ...spec, mode: "live", currency: "EUR", name: "Other" };
    const answer = await resource.put(changed, resource.governor({ generation: 2 }));
    expect([answer.status, answer.body.code]).toEqual([422, "immutable_field"]);
    expect(answer.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual(["/mode", "/currency"]);
    expect((await resource.get()).body).toMatchObject({ name: "Quiet Books", generation: 1 });
  });

  test("tells its currency to whoever checks its keys", async () => {
    const resource = await made({ ...spec, currency: "JPY" });
    const key = makeApiKey("live");
    await resource.putKey(key);
    expect((await other.authenticator.authenticate(key)).currency).toBe("JPY");
  });

  test("is refused with wrong fields, headers, credentials, or an id of another resource", async () => {
    const resource = newResource();
    expect((await resource.put({ ...spec, currency: "XXQ" })).body.errors[0].pointer).toBe("/currency");
    expect((await resource.put({ ...spec, extra: 1 })).status).toBe(400);
    const path = internalTenantPath(resource.id);
    const bare = await call(replica.internal, "PUT", path, { internal: internalSecret, body: spec });
    expect(bare.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual([
      "#/header/x-payflow-owner",
      "#/header/x-payflow-generation",
      "#/header/x-payflow-fencing-token",
    ]);
    const headers = governorHeaders(resource.governor());
    const stranger = await call(replica.internal, "PUT", path, { internal: "x", headers, body: spec });
    expect(stranger.status).toBe(401);
    const foreign = governorHeaders(newResource().governor());
    const other = await call(replica.internal, "PUT", path, {
      internal: internalSecret,
      headers: foreign,
      body: spec,
    });
    expect(other.body.code).toBe("invalid_request");
    expect((await resource.get()).status).toBe(404);
  });
});

test("REST only reads what a resource governs", async () => {
  const resource = await made();
  const key = makeApiKey("live");
  const keyId = governedKeyId(resource.uid, hashApiKey(key));
  await resource.putKey(key, { scopes: ["keys:write", "payments:read"] });
  const refused: readonly [string, string, object][] = [
    ["PATCH", "/tenants/me", { key, body: { name: "Mine" } }],
    ["POST", `/tenants/${resource.id}/suspend`, { token: adminToken }],
    ["POST", `/tenants/${resource.id}/resume`, { token: adminToken }],
    ["PUT", `/tenants/${resource.id}/limits`, { token: adminToken, body: limits }],
    ["DELETE", `/api-keys/${keyId}`, { key }],
    ["POST", `/api-keys/${keyId}/rotate`, { key, body: { overlap_seconds: 0 } }],
  ];
  for (const [method, path, given] of refused) {
    const answer = await call(replica.app, method, path, given);
    expect([path, answer.status, answer.body.code]).toEqual([path, 409, "managed_by_kubernetes"]);
  }
  const me = await call(replica.app, "GET", "/tenants/me", { key });
  expect(me.body).toMatchObject({
    name: "Quiet Books",
    managed_by: "kubernetes",
    currency: "INR",
    mode: "both",
  });
  const keys = await call(replica.app, "GET", "/api-keys", { key });
  expect(keys.body.data).toMatchObject([{ key_id: keyId, managed_by: "kubernetes" }]);
  expect(await answerOf(key)).toBe("40/s");
});
