import { expect, test } from "bun:test";
import { objectionTo, type ReferredTenant } from "./tenant-reference.ts";

const tenant: ReferredTenant = { mode: "live", allowedNamespaces: ["partner"], isMade: true };
const named = { namespace: "shop", name: "acme" };
const from = (namespace: string, mode: "live" | "test" = "live") => ({ namespace, mode, tenant: named });

test("a tenant's own namespace and those it allows may refer to it, others may not", () => {
  expect(objectionTo(from("shop"), tenant)).toBeUndefined();
  expect(objectionTo(from("partner"), tenant)).toBeUndefined();
  expect(objectionTo(from("stranger"), tenant)).toMatchObject({
    state: "stalled",
    reason: "TenantNotAllowed",
  });
  expect(objectionTo(from("stranger"), { ...tenant, allowedNamespaces: ["*"] })).toBeUndefined();
});

test("a stranger learns nothing of what there is in another namespace", () => {
  const forbidden = objectionTo(from("stranger"), tenant);
  expect(forbidden).toBeDefined();
  expect(objectionTo(from("stranger"), undefined)).toEqual(forbidden);
  expect(objectionTo(from("stranger", "test"), { ...tenant, isMade: false })).toEqual(forbidden);
});

test("a tenant that is not there or not made yet is waited for; a mode that it has not is final", () => {
  expect(objectionTo(from("shop"), undefined)).toMatchObject({ state: "reconciling" });
  const unmade = { ...tenant, isMade: false };
  expect(objectionTo(from("shop"), unmade)).toMatchObject({ state: "reconciling", reason: "TenantNotReady" });
  expect(objectionTo(from("shop", "test"), tenant)).toMatchObject({ reason: "ModeNotAvailable" });
  expect(objectionTo(from("shop", "test"), { ...tenant, mode: "both" })).toBeUndefined();
});
