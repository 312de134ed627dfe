import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { apiVersionOf } from "../../src/kubernetes/objects/object.ts";
import { conditionOf, secretKind } from "../setup/resources.ts";
import { Workplace } from "../setup/workplace.ts";
import { makeFamily, settled } from "./fleet.ts";

setDefaultTimeout(60_000);

let place: Workplace;

beforeAll(async () => {
  place = await Workplace.make();
  await place.startOperator();
}, 300_000);

afterAll(() => place?.close());

/** Applies an object as another field manager would, taking over what belongs to others. */
async function applyAs(manager: string, object: object, more: readonly string[] = []): Promise<void> {
  const words = ["apply", "--server-side", "--force-conflicts", `--field-manager=${manager}`, "-f", "-"];
  const { exitCode, stderr } = await place.cluster.kubectl([...words, ...more], {
    input: JSON.stringify(object),
  });
  if (exitCode !== 0) throw new Error(stderr);
}

test("a status that another manager has taken over is ours again, and what only that one set stays", async () => {
  const { members } = await makeFamily(place);
  await settled(place, [{ members, secrets: [] }]);
  for (const [kind, name] of members) {
    const lie = {
      ...{ type: "Ready", status: "False", reason: "Lie", message: "It is not.", observedGeneration: 1 },
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    const object = {
      ...{ apiVersion: apiVersionOf(kind), kind: kind.kind },
      metadata: { namespace: place.shop.name, name, labels: { "example.com/team": "theirs" } },
      status: { conditions: [lie, { ...lie, type: "Theirs" }] },
    };
    await applyAs("somebody-else", object, ["--subresource=status"]);
    await applyAs("somebody-else", { ...object, status: undefined });
    const found = await eventually(async () => {
      const now = await place.shop.get(kind, name);
      expect(conditionOf(now, "Ready")).toMatchObject({ status: "True" });
      return now;
    });
    expect(conditionOf(found, "Theirs")).toMatchObject({ reason: "Lie" });
    expect(found?.metadata.labels).toEqual({ "example.com/team": "theirs" });
  }
});

test("an entry of a Secret that another manager has taken over is made anew, and its own entry stays", async () => {
  const family = await makeFamily(place);
  await settled(place, [family]);
  for (const name of family.secrets) {
    const entry = name.endsWith("api-key") ? "api-key" : "signing-secret";
    const before = (await place.shop.secret(name))?.[entry];
    await applyAs("somebody-else", {
      ...{ apiVersion: "v1", kind: "Secret" },
      metadata: { namespace: place.shop.name, name, annotations: { "example.com/note": "theirs" } },
      data: { [entry]: btoa("theirs"), theirs: btoa("kept") },
    });
    await eventually(async () => {
      const values = (await place.shop.secret(name)) ?? {};
      expect(values[entry]).toHaveLength(before?.length ?? 0);
      expect(values[entry]).not.toBe(before);
      expect(values.theirs).toBe("kept");
    });
    const { metadata } = (await place.shop.get(secretKind, name)) ?? {};
    expect(metadata?.annotations).toMatchObject({ "example.com/note": "theirs" });
  }
  await settled(place, [family]);
});

test("a finalizer that somebody took away comes back", async () => {
  const { members } = await makeFamily(place);
  for (const [kind, name] of await settled(place, [{ members, secrets: [] }]).then(() => members)) {
    await place.shop.patch(kind, name, { metadata: { finalizers: [] } });
    await eventually(async () =>
      expect((await place.shop.get(kind, name))?.metadata.finalizers).toEqual([
        expect.stringMatching(/^payflow\.dev\//),
      ]),
    );
  }
});
