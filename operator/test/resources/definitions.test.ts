import { beforeAll, describe, expect, test } from "bun:test";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { fraudPolicyKind, fraudPolicyResource } from "../../src/fraud-policy/fraud-policy.resource.ts";
import { apiVersionOf, pathOf, type ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { schemaOf } from "../../src/resources/crd.ts";
import type { ResourceDefinition } from "../../src/resources/definition.ts";
import type { StructuralSchema } from "../../src/resources/structural.ts";
import { tenantKind, tenantResource } from "../../src/tenant/tenant.resource.ts";
import {
  webhookEndpointKind,
  webhookEndpointResource,
} from "../../src/webhook-endpoint/webhook-endpoint.resource.ts";
import { installDefinitions } from "../setup/definitions.ts";
import { least, type RuleCase, ruleCases } from "./rules-of-kinds.ts";

const resources = [tenantResource, webhookEndpointResource, fraudPolicyResource];

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  cluster = await testCluster();
  await installDefinitions(cluster);
  namespace = await cluster.namespace("kinds");
}, 120_000);

describe("the API server", () => {
  test.each(ruleCases.map((one) => [one.kind.kind, one.message, one] as const))(
    "refuses a %s where %s",
    async (_, message, one) => {
      const accepted = await ask(one, one.accepted, "one");
      expect(accepted.body.message ?? "accepted").toBe("accepted");
      const refused = await ask(one, one.refused, one.name ?? "one");
      expect(refused.status).toBe(422);
      expect(refused.body.message).toContain(message);
    },
  );

  test("has no rule that was not tried both ways", () => {
    const tried = ruleCases.map(({ kind, message }) => ({ kind: kind.kind, message }));
    const untried = resources.flatMap((resource) =>
      messagesOf(schemaOf(resource)).filter(
        (message) =>
          !tried.some((one) => one.kind === resource.kind.kind && message.startsWith(one.message)) &&
          !isOfRotation(resource, message),
      ),
    );
    expect(untried).toEqual([]);
  });
});

/** The two kinds with a rotation have it from the same schema; it is tried in one. */
function isOfRotation({ kind }: ResourceDefinition, message: string): boolean {
  return kind === webhookEndpointKind && /^(interval|overlap) must be/.test(message);
}

test("all that may be left out is filled in, so that readers find it", async () => {
  const made = await create(tenantKind, "defaults", least.tenant);
  expect(made.body.spec).toEqual({
    ...least.tenant,
    limits: { requestsPerSecond: 1_000, burst: 2_000, eventsPerSecond: 10_000 },
    suspended: false,
    apiKey: {
      scopes: expect.arrayContaining(["payments:write", "keys:write"]),
      rotation: { policy: "Manual", interval: "2160h", overlap: "24h" },
    },
    allowedNamespaces: [],
    deletionPolicy: "Retain",
  });
  const partly = { ...least.tenant, limits: { burst: 5 }, apiKey: { rotation: { policy: "Scheduled" } } };
  const { spec } = (await create(tenantKind, "partly", partly)).body;
  expect(spec.limits).toEqual({ requestsPerSecond: 1_000, burst: 5, eventsPerSecond: 10_000 });
  expect(spec.apiKey.rotation).toEqual({ policy: "Scheduled", interval: "2160h", overlap: "24h" });
  expect(spec.apiKey.scopes).toHaveLength(11);
  const endpoint = (await create(webhookEndpointKind, "defaults", least.endpoint)).body.spec;
  expect(endpoint).toMatchObject({
    enabled: true,
    signing: { rotation: { policy: "Manual" } },
    delivery: { timeoutSeconds: 15, maxAttempts: 10 },
    deletionPolicy: "Drain",
  });
  const policy = (await create(fraudPolicyKind, "defaults", least.policy)).body.spec;
  expect(policy).toEqual({ mode: "Enforce", thresholds: {}, rules: [], failMode: "Review", tests: [] });
});

test("each kind's example is accepted as it stands in the reference", async () => {
  for (const { kind, example } of resources) {
    const { status, body } = await create(kind, "example", example);
    expect(body.message ?? status).toBe(201);
  }
});

describe("kubectl", () => {
  test.each(resources.map((resource) => [resource.kind.kind, resource] as const))(
    "explains every field of a %s",
    async (_, resource) => {
      const { plural } = resource.kind;
      const parts = objectsIn(schemaOf(resource), plural);
      expect(parts).toContain(`${plural}.status.conditions`);
      for (const part of parts) {
        const { stdout, stderr } = await cluster.kubectl(["explain", part]);
        expect(stderr).toBe("");
        expect(stdout).toContain("DESCRIPTION:");
        expect(stdout).not.toContain("<no description>");
      }
    },
    120_000,
  );

  test("knows the kinds by short names and by their category, and says what is ready", async () => {
    await create(tenantKind, "columns", { ...least.tenant, fraudPolicyRef: { name: "columns" } });
    await create(webhookEndpointKind, "columns", least.endpoint);
    await create(fraudPolicyKind, "columns", least.policy);
    await setStatus(tenantKind, "columns", { secretName: "columns-api-key", ...stalled });
    expect(await columns("ten/columns")).toEqual([
      ["NAME", "READY", "REASON", "MODE", "SECRET", "AGE"],
      ["columns", "False", "Refused", "test", "columns-api-key", expect.any(String)],
    ]);
    expect((await columns("whe/columns"))[0]).toEqual([
      ...["NAME", "READY", "REASON", "TENANT", "MODE", "DELIVERING", "PENDING", "AGE"],
    ]);
    expect((await columns("fp/columns"))[0]).toEqual([
      ...["NAME", "READY", "REASON", "MODE", "TENANTS", "APPLIED", "AGE"],
    ]);
    const all = await cluster.kubectl(["get", "payflow", "-n", namespace, "-o", "name"]);
    expect(all.stdout).toContain("tenant.payflow.dev/columns");
    expect(all.stdout).toContain("webhookendpoint.payflow.dev/columns");
    expect(all.stdout).toContain("fraudpolicy.payflow.dev/columns");
  });

  test("finds the endpoints of a Tenant and the Tenants of a policy", async () => {
    await create(webhookEndpointKind, "of-a", { ...least.endpoint, tenantRef: { name: "a" } });
    await create(tenantKind, "of-b", { ...least.tenant, fraudPolicyRef: { name: "b" } });
    expect(await selected("whe", "spec.tenantRef.name=a")).toEqual(["webhookendpoint.payflow.dev/of-a"]);
    expect(await selected("ten", "spec.fraudPolicyRef.name=b")).toEqual(["tenant.payflow.dev/of-b"]);
  });
});

test("a status has a generation of its own, and does not change the spec", async () => {
  const made = await create(fraudPolicyKind, "status", least.policy);
  const set = await setStatus(fraudPolicyKind, "status", { appliedReplicas: "1/2", ...stalled });
  expect(set.metadata.generation).toBe(made.body.metadata.generation);
  expect(set.status.appliedReplicas).toBe("1/2");
  const wrong = await cluster.request("PATCH", `${place(fraudPolicyKind, "status")}/status`, {
    status: { appliedReplicas: "one of two" },
  });
  expect(wrong.status).toBe(422);
});

const stalled = {
  conditions: [
    {
      type: "Ready",
      status: "False",
      observedGeneration: 1,
      lastTransitionTime: "2026-01-01T00:00:00Z",
      reason: "Refused",
      message: "The policy fails.",
    },
  ],
};

const place = (kind: ResourceKind, name?: string) =>
  pathOf(kind, { namespace, ...(name === undefined ? {} : { name }) });

function create(kind: ResourceKind, name: string, spec: object, query = "") {
  return cluster.request("POST", `${place(kind)}${query}`, {
    ...{ apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name }, spec },
  });
}

let changed = 0;

/** Asks for an object of that spec, or for a change to it, without keeping what comes of it. */
async function ask(one: RuleCase, spec: object, name: string) {
  const dry = "?dryRun=All";
  if (one.before === undefined) return create(one.kind, name, spec, dry);
  changed += 1;
  const made = await create(one.kind, `changed-${changed}`, one.before);
  expect(made.status).toBe(201);
  return cluster.request("PATCH", `${place(one.kind, `changed-${changed}`)}${dry}`, { spec });
}

async function setStatus(kind: ResourceKind, name: string, status: object) {
  const answer = await cluster.request("PATCH", `${place(kind, name)}/status`, { status });
  expect(answer.body.message ?? answer.status).toBe(200);
  return answer.body;
}

async function columns(what: string): Promise<string[][]> {
  const { stdout } = await cluster.kubectl(["get", what, "-n", namespace]);
  const lines = stdout.trimEnd().split("\n");
  const starts = [...(lines[0] ?? "").matchAll(/\S+/g)].map(({ index }) => index);
  return lines.map((line) => starts.map((start, place) => line.slice(start, starts[place + 1]).trim()));
}

async function selected(kind: string, field: string): Promise<string[]> {
  const { stdout } = await cluster.kubectl([
    ...["get", kind, "-n", namespace, "--field-selector", field, "-o", "name"],
  ]);
  return stdout.trim().split("\n");
}

function messagesOf(schema: StructuralSchema): string[] {
  const own = schema["x-kubernetes-validations"]?.map(({ message }) => message) ?? [];
  const below = [...Object.values(schema.properties ?? {}), ...(schema.items ? [schema.items] : [])];
  return [...own, ...below.flatMap(messagesOf)];
}

/** The paths by which kubectl explains all fields: each object lists its own. */
function objectsIn(schema: StructuralSchema, path: string): string[] {
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    objectsIn(field.items ?? field, `${path}.${name}`),
  );
  return schema.properties === undefined ? [] : [path, ...below];
}
