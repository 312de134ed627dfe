import { expect, test } from "bun:test";
import type { Tenant } from "../tenant/tenant.resource.ts";
import type { WebhookEndpoint } from "./webhook-endpoint.resource.ts";
import { planFor } from "./webhook-endpoint.ts";

const condition = (status: "True" | "False", observedGeneration: number) => ({
  ...{ type: "Ready", status, observedGeneration, reason: "Because", message: "" },
  lastTransitionTime: "2026-03-01T10:00:00Z",
});
/** A tenant of the second generation. Nothing but what decides about endpoints is looked at. */
const tenant = (status: "True" | "False", observedGeneration: number) =>
  ({
    metadata: { namespace: "shop", name: "acme", uid: "t", generation: 2 },
    spec: { mode: "live", allowedNamespaces: [] },
    status: { conditions: [condition(status, observedGeneration)] },
  }) as unknown as Tenant;
const endpoint = (metadata: object = {}, status?: object) =>
  ({
    metadata: { namespace: "shop", name: "hook", uid: "e", generation: 1, ...metadata },
    spec: { tenantRef: { name: "acme" }, mode: "live" },
    status,
  }) as unknown as WebhookEndpoint;

test("a new endpoint waits until its tenant was made, and not for what is changed of it since", () => {
  expect(planFor(endpoint(), tenant("False", 2))).toMatchObject({ progress: { reason: "TenantNotReady" } });
  expect(planFor(endpoint(), tenant("True", 2))).toEqual({ kind: "converge" });
  expect(planFor(endpoint(), tenant("True", 1))).toEqual({ kind: "converge" });
});

test("an endpoint that was made is kept right also while its tenant is being repaired", () => {
  expect(planFor(endpoint({}, { endpointId: "whe_1" }), tenant("False", 2))).toEqual({ kind: "converge" });
  expect(planFor(endpoint({}, { endpointId: "whe_1" }), undefined)).toMatchObject({ kind: "withhold" });
});

test("what is paused is left alone, its deletion too; a deleted one needs no tenant", () => {
  const paused = { annotations: { "payflow.dev/paused": "true" } };
  const deleted = { deletionTimestamp: "2026-03-01T10:00:00Z" };
  expect(planFor(endpoint({ ...paused, ...deleted }), undefined)).toEqual({ kind: "leave" });
  expect(planFor(endpoint(deleted), undefined)).toEqual({ kind: "remove" });
});

test("no pause at an endpoint keeps events coming that its tenant does not allow any more", () => {
  const annotations = { "payflow.dev/paused": "true" };
  const elsewhere = { namespace: "stranger", annotations };
  const refused = { kind: "withhold", progress: { reason: "TenantNotAllowed" } };
  const ready = tenant("True", 2);
  const referring = (metadata: object) => {
    const one = endpoint(metadata, { endpointId: "whe_1" });
    return { ...one, spec: { ...one.spec, tenantRef: { name: "acme", namespace: "shop" } } };
  };
  expect(planFor(referring(elsewhere), ready)).toMatchObject(refused);
  expect(
    planFor(referring({ ...elsewhere, deletionTimestamp: "2026-03-01T10:00:00Z" }), ready),
  ).toMatchObject(refused);
  const allowing = { ...ready, spec: { ...ready.spec, allowedNamespaces: ["stranger"] } };
  expect(planFor(referring(elsewhere), allowing)).toEqual({ kind: "leave" });
});
