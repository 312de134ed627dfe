import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { made, spec, useGovernedTenants } from "./governed-tenants.ts";

setDefaultTimeout(30_000);
useGovernedTenants();

describe("the right to write", () => {
  test("is lost to a newer leader, at the same moment too, and never comes back", async () => {
    const resource = await made();
    const [older, newer] = [{ transitions: 1 }, { transitions: 2 }];
    for (let round = 0; round < 10; round += 1) {
      const fence = { createdMs: 2_000 + round };
      const answers = await Promise.all(
        [older, newer, older, newer].map((by) => {
          const name = by === newer ? `new ${round}` : `old ${round}`;
          return resource.put({ ...spec, name }, resource.governor({ ...fence, ...by }));
        }),
      );
      expect([answers[1]?.status, answers[3]?.status]).toEqual([200, 200]);
      for (const answer of [answers[0], answers[2]]) {
        expect([200, 409]).toContain(answer?.status ?? 0);
        if (answer?.status === 409) expect(answer.body.code).toBe("stale_leader");
      }
      expect((await resource.get()).body.name).toBe(`new ${round}`);
      const late = await resource.put({ ...spec, name: "late" }, resource.governor({ ...fence, ...older }));
      expect(late.body.code).toBe("stale_leader");
      expect((await resource.get()).body.name).toBe(`new ${round}`);
    }
    const recreated = { createdMs: 9_000, transitions: 0 };
    expect((await resource.put(spec, resource.governor(recreated))).status).toBe(200);
    expect((await resource.putKey(makeApiKey("live"))).body.code).toBe("stale_leader");
    expect((await resource.delete()).body.code).toBe("stale_leader");
  });

  test("of one Lease says nothing of another Lease or cluster", async () => {
    const resource = await made();
    const by = resource.governor({ createdMs: 1 });
    expect((await resource.put(spec, by)).body.code).toBe("stale_leader");
    const lease = { ...by, fence: { ...by.fence, lease: "payflow-of-a-team" } };
    expect((await resource.put(spec, lease)).status).toBe(200);
    const cluster = { ...by, owner: { ...by.owner, cluster: "another" } };
    expect((await resource.put(spec, cluster)).body.code).toBe("governed_by_another");
  });

  test("is not an older generation's", async () => {
    const resource = await made();
    await resource.put({ ...spec, name: "Three" }, resource.governor({ generation: 3 }));
    const stale = await resource.put({ ...spec, name: "Two" }, resource.governor({ generation: 2 }));
    expect([stale.status, stale.body.code]).toEqual([409, "stale_generation"]);
    expect((await resource.putKey(makeApiKey("live"))).body.code).toBe("stale_generation");
    expect((await resource.get()).body).toMatchObject({ name: "Three", generation: 3, keys: [] });
  });
});
