import { expect, test } from "bun:test";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { PutTenantBody } from "@payflow/contracts/internal-tenant.ts";
import { Value } from "@sinclair/typebox/value";
import type { Tenant, TenantSpec } from "./tenant.resource.ts";
import { tenantBody, wantedKeys } from "./tenant-body.ts";

const spec: TenantSpec = {
  displayName: "Chai Point",
  contactEmail: "owner@example.com",
  mode: "both",
  currency: "INR",
  limits: { requestsPerSecond: 1_000, burst: 2_000, eventsPerSecond: 10_000 },
  suspended: false,
  apiKey: { scopes: [...scopes], rotation: { policy: "Manual", interval: "2160h", overlap: "1h30m" } },
  allowedNamespaces: [],
  deletionPolicy: "Retain",
};
const metadata = { name: "chai", namespace: "shop", uid: "u", resourceVersion: "1", generation: 1 };
const tenant = (changes: Partial<TenantSpec> = {}, annotations = {}): Tenant => ({
  metadata: { ...metadata, creationTimestamp: "2026-01-01T00:00:00Z", annotations },
  spec: { ...spec, ...changes },
});

test("the tenant app is told what it accepts; what is left out is without a limit", () => {
  const body = tenantBody(spec);
  expect(Value.Check(PutTenantBody, body)).toBe(true);
  expect(body).toMatchObject({ limits: defaultLimits, deletion_policy: "retain", suspended: false });
  const limits = { ...spec.limits, monthlyEvents: 5, maxPaymentMinor: 7 };
  expect(tenantBody({ ...spec, limits }).limits).toMatchObject({ monthly_events: 5, max_payment_amount: 7 });
});

test("keys are replaced by the interval only under Scheduled, and when the annotation has a new value", () => {
  expect(wantedKeys(tenant())).toMatchObject({ intervalMs: undefined, overlapMs: 5_400_000 });
  const rotation = { ...spec.apiKey.rotation, policy: "Scheduled" as const };
  const scheduled = tenant({ apiKey: { ...spec.apiKey, rotation } }, { "payflow.dev/rotate-now": "x" });
  expect(wantedKeys(scheduled)).toMatchObject({ intervalMs: 2_160 * 3_600_000, rotateNow: "x" });
});
