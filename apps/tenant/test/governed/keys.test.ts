import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { governorHeaders } from "@payflow/contracts/internal-operator.ts";
import { governedKeyPath } from "@payflow/contracts/internal-tenant.ts";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { call, internalSecret } from "../harness.ts";
import {
  answerOf,
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

describe("keys of a resource", () => {
  test("work once registered by hash, and both work until the end that was set for the older", async () => {
    const resource = await made();
    const [current, next] = [makeApiKey("live"), makeApiKey("live")];
    const first = await resource.putKey(current);
    expect(first.body).toMatchObject({ mode: "live", is_active: true, expires_at: null });
    expect((await resource.putKey(current)).body).toEqual(first.body);
    await resource.putKey(next);
    expect([await answerOf(current), await answerOf(next)]).toEqual(["40/s", "40/s"]);
    const expires_at = new Date(Date.now() + 1_500).toISOString();
    const ending = await resource.putKey(current, { expires_at });
    expect(ending.body).toMatchObject({ expires_at, is_active: true });
    expect(await answerOf(current)).toBe("40/s");
    // Nobody has to say so again: the operator may be gone by then.
    await eventually(async () => expect(await answerOf(current)).toBe("invalid_api_key"), {
      timeoutMs: 2_500,
    });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expires_at) - 50);
    expect(await answerOf(next)).toBe("40/s");
    expect((await resource.putKey(current, { expires_at })).status).toBe(200);
    const revived = await resource.putKey(current, { expires_at: null });
    expect([revived.status, revived.body.code]).toEqual([409, "invalid_state"]);
  });

  test("that end at once, or are revoked, are refused within a second", async () => {
    const resource = await made();
    const [ended, revoked] = [makeApiKey("live"), makeApiKey("live")];
    for (const key of [ended, revoked]) {
      await resource.putKey(key);
      expect(await answerOf(key)).toBe("40/s");
    }
    await resource.putKey(ended, { expires_at: new Date(Date.now() - 1_000).toISOString() });
    await withinASecond(ended, "invalid_api_key");
    expect((await resource.deleteKey(revoked)).status).toBe(204);
    await withinASecond(revoked, "invalid_api_key");
    expect((await resource.deleteKey(revoked)).status).toBe(204);
    expect((await resource.putKey(revoked)).body.code).toBe("invalid_state");
    expect((await resource.deleteKey(makeApiKey("live"))).status).toBe(404);
  });

  test("are shown for an hour after their end, so that rotations do not add up", async () => {
    const resource = await made();
    const [current, older, oldest] = [makeApiKey("live"), makeApiKey("live"), makeApiKey("live")];
    const ended = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const { body: shown } = await resource.putKey(current);
    const { body: over } = await resource.putKey(older, { expires_at: ended(50) });
    await resource.putKey(oldest, { expires_at: ended(70) });
    const ids = (await resource.get()).body.keys.map((key: { key_id: string }) => key.key_id);
    expect(ids.sort()).toEqual([shown.key_id, over.key_id].sort());
    expect((await resource.putKey(oldest)).body.code).toBe("invalid_state");
  });

  test("are three at most in a mode, however many come at once", async () => {
    const resource = await made();
    const keys = Array.from({ length: 8 }, () => makeApiKey("live"));
    const answers = await Promise.all(keys.map((key) => resource.putKey(key)));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(3);
    expect(answers.filter((answer) => answer.body.code === "limit_reached")).toHaveLength(5);
    expect((await resource.putKey(makeApiKey("test"), { mode: "test" })).status).toBe(200);
    expect((await resource.get()).body.keys).toHaveLength(4);
  });

  test("are refused in a mode the tenant does not have, under a wrong id, or before the tenant is there", async () => {
    const resource = await made({ ...spec, mode: "test" });
    const live = await resource.putKey(makeApiKey("live"));
    expect(live.body.errors[0].pointer).toBe("/mode");
    const wrong = await call(replica.internal, "PUT", governedKeyPath(resource.id, newId("key")), {
      internal: internalSecret,
      headers: governorHeaders(resource.governor()),
      body: {
        key_sha256: "0".repeat(64),
        mode: "test",
        name: "k",
        scopes: ["payments:read"],
        expires_at: null,
      },
    });
    expect(wrong.body.code).toBe("invalid_request");
    expect((await newResource().putKey(makeApiKey("live"))).status).toBe(404);
  });

  test("of another tenant are not registered a second time", async () => {
    const [one, two] = [await made(), await made()];
    const key = makeApiKey("live");
    await one.putKey(key);
    expect((await two.putKey(key)).body.code).toBe("governed_by_another");
    expect((await other.authenticator.authenticate(key)).tenantId).toBe(one.id);
  });
});
