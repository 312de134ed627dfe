import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { adminToken, call } from "../harness.ts";
import {
  answerOf,
  database,
  made,
  newResource,
  paying,
  replica,
  spec,
  useGovernedTenants,
  withinASecond,
} from "./governed-tenants.ts";

setDefaultTimeout(30_000);
useGovernedTenants();

describe("a deleted resource's tenant", () => {
  test("that is retained stays as it is, and belongs to REST from then on", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    const answer = await resource.delete("retain");
    expect([answer.status, answer.body]).toMatchObject([
      200,
      { state: "open", managed_by: null, generation: null },
    ]);
    expect((await resource.delete("retain")).body).toEqual(answer.body);
    expect(await answerOf(key)).toBe("40/s");
    const suspended = await call(replica.app, "POST", `/tenants/${resource.id}/suspend`, {
      token: adminToken,
    });
    expect(suspended.status).toBe(200);
    expect((await resource.put()).body.code).toBe("invalid_state");
    expect((await resource.putKey(makeApiKey("live"))).body.code).toBe("invalid_state");
  });

  test("that is archived is suspended for good, its keys revoked, by the policy that was put last", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    expect(await answerOf(key)).toBe("40/s");
    expect((await resource.delete()).body).toMatchObject({
      state: "archived",
      status: "suspended",
      keys: [],
    });
    await withinASecond(key, "invalid_api_key");
    const resumed = await call(replica.app, "POST", `/tenants/${resource.id}/resume`, { token: adminToken });
    expect([resumed.status, resumed.body.code]).toEqual([409, "invalid_state"]);
    expect((await resource.get()).body.name).toBe("Quiet Books");
  });

  test("that has live payments is not purged, and can be archived still", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    paying.add(resource.id);
    const refused = await resource.delete("purge");
    expect([refused.status, refused.body.code]).toEqual([409, "tenant_has_payments"]);
    expect((await resource.get()).body).toMatchObject({ state: "open", status: "active" });
    expect(await answerOf(key)).toBe("40/s");
    expect((await resource.delete("archive")).body.state).toBe("archived");
  });

  test("is closed first when purged, and erased only if no payment came in meanwhile", async () => {
    const [quiet, late] = [await made(), await made()];
    const key = makeApiKey("live");
    await quiet.putKey(key);
    expect(await answerOf(key)).toBe("40/s");
    for (const resource of [quiet, late]) {
      const closing = await resource.delete("purge");
      expect([closing.status, closing.headers.get("retry-after"), closing.body.state]).toEqual([
        202,
        "2",
        "closing",
      ]);
      expect((await resource.delete("purge")).status).toBe(202);
    }
    await withinASecond(key, "invalid_api_key");
    paying.add(late.id);
    await eventually(async () => expect((await quiet.delete("purge")).body.state).toBe("purged"), {
      timeoutMs: 10_000,
    });
    expect((await late.delete("purge")).body.code).toBe("tenant_has_payments");
    expect((await late.delete("retain")).body.state).toBe("archived");
    const erased = await quiet.get();
    expect(erased.body).toMatchObject({ name: "purged", email: "purged@invalid", keys: [] });
    const left = await database.sql`
      select 1 from api_key_value v join api_key k using (key_id) where k.tenant_id = ${quiet.id}`;
    expect(left).toHaveLength(0);
    const listed = await call(replica.app, "GET", "/tenants?limit=100", { token: adminToken });
    const ids = listed.body.data.map((one: { tenant_id: string }) => one.tenant_id);
    expect([ids.includes(quiet.id), ids.includes(late.id)]).toEqual([false, true]);
    expect((await quiet.put()).body.code).toBe("invalid_state");
  });

  test("that was never made is not found, and is not made by an older leader's put that comes late", async () => {
    const resource = newResource();
    for (const policy of ["purge", "retain"]) {
      expect((await resource.delete(policy, resource.governor({ transitions: 2 }))).status).toBe(404);
    }
    expect((await resource.put()).body.code).toBe("stale_leader");
    const again = await resource.put(spec, resource.governor({ transitions: 2 }));
    expect([again.status, again.body.code]).toEqual([409, "invalid_state"]);
    expect((await resource.get()).status).toBe(404);
  });
});
