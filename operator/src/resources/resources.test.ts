import { expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { fraudPolicyKind } from "../fraud-policy/fraud-policy.resource.ts";
import { pathOf } from "../kubernetes/objects/object.ts";
import { tenantKind, tenantSecretName } from "../tenant/tenant.resource.ts";
import { signingSecretName, webhookEndpointKind } from "../webhook-endpoint/webhook-endpoint.resource.ts";
import { durationSeconds } from "./duration.ts";
import { structural } from "./structural.ts";

test("the three kinds are namespaced and of one group", () => {
  const kinds = [tenantKind, webhookEndpointKind, fraudPolicyKind];
  expect(kinds.map((kind) => pathOf(kind, { namespace: "shop", name: "one" }))).toEqual([
    "/apis/payflow.dev/v1alpha1/namespaces/shop/tenants/one",
    "/apis/payflow.dev/v1alpha1/namespaces/shop/webhookendpoints/one",
    "/apis/payflow.dev/v1alpha1/namespaces/shop/fraudpolicies/one",
  ]);
});

test("a Secret is called after its object, unless the object says otherwise", () => {
  // Only the name and where the Secret's own name stands are looked at.
  const named = (spec: object) => ({ metadata: { name: "shop" }, spec }) as never;
  expect(tenantSecretName(named({ apiKey: {} }))).toBe("shop-api-key");
  expect(tenantSecretName(named({ apiKey: { secretName: "keys" } }))).toBe("keys");
  expect(signingSecretName(named({ signing: {} }))).toBe("shop-signing-secret");
  expect(signingSecretName(named({ signing: { secretName: "signing" } }))).toBe("signing");
});

test.each([
  ["2160h", 7_776_000],
  ["1h30m", 5_400],
  ["90s", 90],
  ["0s", 0],
] as const)("%s are %i seconds", (text, seconds) => expect(durationSeconds(text)).toBe(seconds));

test.each(["", "1", "1d", "h", "-1s"])("%p is no duration", (text) => {
  expect(() => durationSeconds(text)).toThrow("is no duration");
});

test("a field without a description or a bound never gets into a definition", () => {
  const description = "A field.";
  expect(() => structural(Type.String({ maxLength: 9 }), "spec.name")).toThrow(
    "spec.name has no description",
  );
  expect(() => structural(Type.String({ description }), "spec.name")).toThrow("spec.name has no bound");
  const list = Type.Object({ all: Type.Array(Type.String(), { description }) }, { description });
  expect(() => structural(list, "spec")).toThrow("spec.all has no bound");
  expect(() => structural(Type.Union([Type.String(), Type.Null()], { description }), "spec.name")).toThrow(
    "neither one type nor a choice of words",
  );
});

test("a field with a default may be left out, and an object's default holds those of its fields", () => {
  const size = Type.Integer({ default: 3, description: "How many." });
  const inner = Type.Object({ size }, { default: {}, description: "Settings." });
  const schema = structural(Type.Object({ inner, size }, { description: "All." }), "spec");
  expect(schema.required).toBeUndefined();
  expect(schema.properties?.inner?.default).toEqual({ size: 3 });
});
