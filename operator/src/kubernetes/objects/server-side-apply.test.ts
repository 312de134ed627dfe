import { expect, test } from "bun:test";
import type { KubernetesObject } from "./object.ts";
import { isApplied, keepManager } from "./server-side-apply.ts";

const live = {
  metadata: {
    name: "keys",
    resourceVersion: "7",
    labels: { "app/part": "keys", team: "red" },
    ownerReferences: [{ apiVersion: "v1", kind: "Thing", name: "one", uid: "u1", controller: true }],
    managedFields: [
      {
        ...{ manager: "us", operation: "Apply" },
        fieldsV1: { "f:data": { "f:key": {} }, "f:metadata": { "f:labels": { "f:app/part": {} } } },
      },
      {
        manager: "kubectl",
        operation: "Update",
        fieldsV1: { "f:metadata": { "f:labels": { "f:team": {} } } },
      },
    ],
  },
  data: { key: "c2VjcmV0" },
} satisfies KubernetesObject & { data: object };

const desired = {
  metadata: { name: "keys", resourceVersion: "5", labels: { "app/part": "keys" } },
  data: { key: "c2VjcmV0" },
};

test("what is there as wanted is not sent again, whatever others have added", () => {
  expect(isApplied(desired, live, "us")).toBe(true);
  expect(isApplied(desired, keepManager(live, "us"), "us")).toBe(true);
});

test("it is sent where a value differs, is missing, or is ours and no longer wanted", () => {
  expect(isApplied({ ...desired, data: { key: "b3RoZXI=" } }, live, "us")).toBe(false);
  expect(isApplied({ ...desired, data: { ...desired.data, more: "eA==" } }, live, "us")).toBe(false);
  expect(isApplied({ metadata: { name: "keys" }, data: desired.data }, live, "us")).toBe(false);
  const foreign = { ...live, data: { key: "edited" } };
  expect(isApplied(desired, foreign, "us")).toBe(false);
});

test("it is sent where we never applied, or only the status", () => {
  expect(isApplied(desired, live, "somebody")).toBe(false);
  expect(isApplied(desired, live, "us", "status")).toBe(false);
});

test("owners and finalizers of others beside ours are left alone, other lists are compared as a whole", () => {
  const [reference] = live.metadata.ownerReferences;
  const other = { apiVersion: "v1", kind: "Thing", name: "two", uid: "u2" };
  const wanted = { ...desired, metadata: { ...desired.metadata, ownerReferences: [reference ?? other] } };
  const shared = {
    ...live,
    metadata: { ...live.metadata, ownerReferences: [other, ...live.metadata.ownerReferences] },
  };
  expect(isApplied(wanted, shared, "us")).toBe(true);
  expect(isApplied({ ...desired, rules: ["a"] }, { ...live, rules: ["a"] } as KubernetesObject, "us")).toBe(
    true,
  );
  expect(
    isApplied({ ...desired, rules: ["a"] }, { ...live, rules: ["a", "b"] } as KubernetesObject, "us"),
  ).toBe(false);
});
