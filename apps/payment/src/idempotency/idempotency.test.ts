import { expect, test } from "bun:test";
import { DomainError } from "@payflow/contracts/errors.ts";
import { changedFields, fingerprint, replay, requestKey } from "./idempotency.ts";

const fields = ["amount", "metadata", "description"];
const print = (body: Record<string, unknown>) => fingerprint(body, fields);

test("equal bodies have equal fingerprints, whatever the order of their keys", () => {
  expect(print({ amount: 1, metadata: { a: "1", b: "2" } })).toEqual(
    print({ metadata: { b: "2", a: "1" }, amount: 1 }),
  );
});

test("the fields that changed are named, also where one was left out", () => {
  const first = print({ amount: 1, metadata: { a: "1" } });
  expect(changedFields(first, print({ amount: 2, metadata: { a: "1" } }), fields)).toEqual(["amount"]);
  expect(changedFields(first, print({ amount: 1, metadata: { a: "2" }, description: "x" }), fields)).toEqual([
    "metadata",
    "description",
  ]);
  expect(changedFields(first, print({ amount: 1 }), fields)).toEqual(["metadata"]);
});

test("a field that a later version adds counts as left out of older requests", () => {
  const first = print({ amount: 1 });
  const later = [...fields, "added"];
  expect(changedFields(first, fingerprint({ amount: 1 }, later), later)).toEqual([]);
  expect(changedFields(first, fingerprint({ amount: 1, added: true }, later), later)).toEqual(["added"]);
});

test("a key is one of its tenant, mode and path", () => {
  const id = (tenantId: string, mode: "live" | "test", path: string, header: string) =>
    requestKey({ tenantId, mode }, path, header, {}, []).id;
  const ids = [
    id("ten_1", "live", "/payments", "k"),
    id("ten_2", "live", "/payments", "k"),
    id("ten_1", "test", "/payments", "k"),
    id("ten_1", "live", "/payments/pay_1/capture", "k"),
    id("ten_1", "live", "/payments", "K"),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  expect(id("ten_1", "live", "/payments", "k")).toBe(ids[0] ?? "");
});

test("a repeat is answered as before, refused while open, and refused for another body", () => {
  const key = requestKey({ tenantId: "ten_1", mode: "live" }, "/payments", "k", { amount: 1 }, fields);
  const answer = { status: 201, body: "{}" } as const;
  const known = { subject: "pay_1", fingerprint: key.fingerprint, answer };
  expect(replay(known, key)).toBe(answer);
  const reasonOf = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      return error instanceof DomainError ? error.reason : error;
    }
  };
  expect(reasonOf(() => replay({ ...known, answer: null }, key))).toBe("idempotency_in_progress");
  expect(reasonOf(() => replay({ ...known, fingerprint: print({ amount: 2 }) }, key))).toBe(
    "idempotency_key_reused",
  );
});
