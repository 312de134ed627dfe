import { fraudPolicyKind } from "../../src/fraud-policy/fraud-policy.resource.ts";
import type { ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { webhookEndpointKind } from "../../src/webhook-endpoint/webhook-endpoint.resource.ts";

/** One rule of a kind, in its own words, with a spec that it refuses beside one that it lets through. */
export interface RuleCase {
  readonly kind: ResourceKind;
  readonly message: string;
  readonly refused: object;
  readonly accepted: object;
  /** For a rule about changes: what the object was before. */
  readonly before?: object;
  /** For a rule about names, of the refused one; the accepted one has a short name. */
  readonly name?: string;
}

const tenant = { displayName: "Shop", contactEmail: "a@shop.example", mode: "test", currency: "INR" };
const endpoint = {
  tenantRef: { name: "shop" },
  mode: "test",
  url: "https://shop.example/hooks",
  events: ["payment.settled"],
};
const amount = { name: "amount", action: "Review", amount: { maxMinor: 5 } };

/** The least that each kind takes. */
export const least = { tenant, endpoint, policy: {} };

const rotation = (message: string, refused: object, accepted: object): RuleCase => ({
  kind: tenantKind,
  message,
  refused: { ...tenant, apiKey: { rotation: refused } },
  accepted: { ...tenant, apiKey: { rotation: accepted } },
});
const policy = (message: string, refused: object, accepted: object): RuleCase => ({
  ...{ kind: fraudPolicyKind, message, refused, accepted },
});
const rules = (message: string, refused: object, accepted: object) =>
  policy(message, { rules: [refused] }, { rules: [accepted] });
const tested = (message: string, refused: object, accepted: object) => {
  const test = (fields: object) => ({
    tests: [{ name: "one", payment: { amountMinor: 1, currency: "INR", ...fields }, expect: "Allow" }],
  });
  return policy(message, test(refused), test(accepted));
};
const url = (message: string, refused: string, accepted: string): RuleCase => ({
  kind: webhookEndpointKind,
  message,
  refused: { ...endpoint, url: refused },
  accepted: { ...endpoint, url: accepted },
});
const listed = (values: readonly string[], kind = "deny") => ({
  ...{ name: "listed", action: "Block", [kind]: { field: "IP", values } },
});

const ofTenants: readonly RuleCase[] = [
  {
    ...{ kind: tenantKind, message: "mode cannot be changed", before: tenant },
    refused: { mode: "live" },
    accepted: { mode: "test" },
  },
  {
    ...{ kind: tenantKind, message: "currency cannot be changed", before: tenant },
    refused: { currency: "USD" },
    accepted: { currency: "INR" },
  },
  {
    ...{ kind: tenantKind, message: "secretName cannot be changed", before: tenant },
    refused: { apiKey: { secretName: "another" } },
    accepted: { apiKey: { scopes: ["payments:read"] } },
  },
  {
    ...{ kind: tenantKind, message: "secretName cannot be changed" },
    before: { ...tenant, apiKey: { secretName: "keys" } },
    refused: { apiKey: { secretName: null } },
    accepted: { apiKey: { secretName: "keys" } },
  },
  {
    ...{ kind: tenantKind, message: "'*' stands for every namespace and must stand alone" },
    refused: { ...tenant, allowedNamespaces: ["*", "web"] },
    accepted: { ...tenant, allowedNamespaces: ["*"] },
  },
  {
    kind: tenantKind,
    message: "spec.apiKey.secretName must be given where the name has more than 245 characters",
    name: "t".repeat(246),
    refused: tenant,
    accepted: tenant,
  },
  rotation("interval must be from 1m to 8760h", { interval: "59s" }, { interval: "1m" }),
  rotation("interval must be from 1m to 8760h", { interval: "8761h" }, { interval: "8760h" }),
  rotation("overlap must be at most 168h", { overlap: "168h1s" }, { overlap: "168h" }),
  rotation(
    "overlap must be shorter than interval",
    { policy: "Scheduled", interval: "1h", overlap: "1h" },
    { policy: "Scheduled", interval: "1h", overlap: "59m59s" },
  ),
];

const ofEndpoints: readonly RuleCase[] = [
  {
    ...{ kind: webhookEndpointKind, message: "tenantRef cannot be changed", before: endpoint },
    refused: { tenantRef: { namespace: "elsewhere" } },
    accepted: { tenantRef: { name: "shop" } },
  },
  {
    ...{ kind: webhookEndpointKind, message: "mode cannot be changed", before: endpoint },
    refused: { mode: "live" },
    accepted: { enabled: false },
  },
  {
    ...{ kind: webhookEndpointKind, message: "secretName cannot be changed", before: endpoint },
    refused: { signing: { secretName: "another" } },
    accepted: { signing: { rotation: { interval: "24h", overlap: "1h" } } },
  },
  {
    kind: webhookEndpointKind,
    message: "spec.signing.secretName must be given where the name has more than 238 characters",
    name: "e".repeat(239),
    refused: endpoint,
    accepted: endpoint,
  },
  url("url must be a URL", "https://shop.example:port/", "https://shop.example:8443/"),
  url("url must have no fragment", "https://shop.example/#top", "https://shop.example/?a=1"),
  url("url must have no user name", "https://me:pass@shop.example/", "https://shop.example/@me"),
];

const ofPolicies: readonly RuleCase[] = [
  policy(
    "flag must be lower than review",
    { thresholds: { flag: 50, review: 50 } },
    { thresholds: { flag: 49, review: 50 } },
  ),
  policy(
    "review must be lower than block",
    { thresholds: { review: 90, block: 60 } },
    { thresholds: { review: 60, block: 90 } },
  ),
  policy(
    "flag must be lower than block",
    { thresholds: { flag: 90, block: 60 } },
    { thresholds: { flag: 60, block: 90 } },
  ),
  rules("fail_mode is what the policy itself", { ...amount, name: "fail_mode" }, { ...amount, name: "fail" }),
  rules(
    "exactly one of count, sum, distinct, failRatio, repeatFailure, amount, deny, allow must be given",
    { ...amount, repeatFailure: { key: "Card", windowSeconds: 60, limit: 3 } },
    amount,
  ),
  rules("exactly one of count, sum", { name: "amount", action: "Review" }, amount),
  rules("action must be given, except with allow", { ...amount, action: undefined }, amount),
  rules("action must be given, except with allow", listed(["10.0.0.1"], "allow"), {
    ...listed(["10.0.0.1"], "allow"),
    action: undefined,
  }),
  rules(
    "weight must not be given with allow",
    { ...listed(["10.0.0.1"], "allow"), action: undefined, weight: 5 },
    { ...listed(["10.0.0.1"], "deny"), weight: 5 },
  ),
  rules(
    "of must differ from key",
    { name: "cards", action: "Flag", distinct: { key: "Card", of: "Card", windowSeconds: 60, limit: 3 } },
    { name: "cards", action: "Flag", distinct: { key: "Customer", of: "Card", windowSeconds: 60, limit: 3 } },
  ),
  rules("each of the values must be an IP address", listed(["10.0.0.1", "10.0.0"]), listed(["10.0.0.1"])),
  rules(
    "each of the values must be an IP address",
    listed(["10.0.0.0/33"]),
    listed(["10.0.0.0/8", "fd00::/8"]),
  ),
  rules(
    "each of the values must be an IP address",
    { ...listed(["nobody"], "allow"), action: undefined },
    { name: "known", allow: { field: "Customer", values: ["nobody"] } },
  ),
  policy(
    "each id must stand once",
    {
      rules: [
        { ...amount, id: "a" },
        { ...amount, id: "a" },
      ],
    },
    { rules: [{ ...amount, id: "a" }, { ...amount, id: "b" }, amount] },
  ),
  tested("ip must be an IP address", { ip: "10.0.0.0/8" }, { ip: "2001:db8::1" }),
  tested(
    "exactly one of value and percent must be given",
    { seen: [{ rule: "velocity:card", value: 1, percent: 1 }] },
    {
      seen: [
        { rule: "velocity:card", value: 1 },
        { rule: "ratio:card", percent: 1 },
      ],
    },
  ),
  tested(
    "exactly one of value and percent must be given",
    { seen: [{ rule: "velocity:card" }] },
    { seen: [] },
  ),
];

export const ruleCases: readonly RuleCase[] = [...ofTenants, ...ofEndpoints, ...ofPolicies];
