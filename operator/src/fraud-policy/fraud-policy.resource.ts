import { maxAmountMinor } from "@payflow/contracts/fields.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type CustomObject, resourceKind } from "../resources/api-group.ts";
import { lastColumns, type ResourceDefinition, readyColumns } from "../resources/definition.ts";
import { choice, mapOf, plainText, settings, validated } from "../resources/schema.ts";
import { commonStatus, conditionList, progressConditions } from "../resources/status.ts";
import { currencyCode, rulesSchema } from "./rule.resource.ts";

const threshold = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description }));

const Thresholds = settings(
  {
    flag: threshold("From which score on a payment is marked. Without it no score marks any."),
    review: threshold("From which score on a payment is held back for review. Without it no score does."),
    block: threshold("From which score on a payment is refused. Without it no score does."),
  },
  "What the score does, which is the sum of the weights of all rules that trigger, 100 at most.",
  validated(
    {
      rule: "!has(self.flag) || !has(self.review) || self.flag < self.review",
      message: "flag must be lower than review",
    },
    {
      rule: "!has(self.review) || !has(self.block) || self.review < self.block",
      message: "review must be lower than block",
    },
    {
      rule: "!has(self.flag) || !has(self.block) || self.flag < self.block",
      message: "flag must be lower than block",
    },
  ),
);

const Seen = Type.Object(
  {
    rule: Type.String({ maxLength: 100, pattern: "^[a-z0-9][a-z0-9_.:-]*$", description: "The rule's id." }),
    value: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000_000_000_000,
        description: "The payments, minor units, values or failures that it sees, this payment included.",
      }),
    ),
    percent: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 100, description: "The share that a rule with failRatio sees." }),
    ),
  },
  {
    description: "What one rule sees.",
    ...validated({
      rule: "has(self.value) != has(self.percent)",
      message: "exactly one of value and percent must be given",
    }),
  },
);

const TestPayment = Type.Object(
  {
    amountMinor: Type.Integer({
      minimum: 1,
      maximum: maxAmountMinor,
      description: "In the currency's smallest unit.",
    }),
    currency: currencyCode("As an ISO 4217 code."),
    customerId: Type.Optional(plainText(255, "Who pays.")),
    cardFingerprint: Type.Optional(plainText(255, "By which card.")),
    ip: Type.Optional(
      Type.String({
        minLength: 2,
        maxLength: 45,
        description: "From where, as an IPv4 or IPv6 address.",
        ...validated({ rule: "isIP(self)", message: "ip must be an IP address" }),
      }),
    ),
    seen: mapOf(Seen, ["rule"], {
      description: `What rules that count see; one that is not named here sees this payment alone.`,
      maxItems: 50,
      default: [],
    }),
  },
  { description: "A payment." },
);

const PolicyTest = Type.Object(
  {
    name: plainText(200, "What the test is called where it fails."),
    payment: TestPayment,
    expect: choice(
      ["Allow", "Flag", "Review", "Block"],
      "What the policy must say of it when it is enforced.",
    ),
  },
  { description: "A payment and what is to become of it." },
);

const FraudPolicySpec = Type.Object(
  {
    mode: choice(
      ["Enforce", "Shadow", "Off"],
      `Enforce acts on payments. Shadow evaluates and records, but acts on none, also where a payment could
       not be judged in time. Off evaluates nothing.`,
      { default: "Enforce" },
    ),
    thresholds: Thresholds,
    rules: rulesSchema,
    failMode: choice(
      ["Allow", "Review", "Block"],
      "What becomes of a payment that could not be judged in time.",
      { default: "Review" },
    ),
    tests: mapOf(PolicyTest, ["name"], {
      description: `Payments and what is to become of them. A policy that fails one of its tests does not come
        into force: it is Stalled, naming the test, and the version before stays in force.`,
      maxItems: 50,
      default: [],
    }),
  },
  { description: "What the policy is to be." },
);
export type FraudPolicySpec = Static<typeof FraudPolicySpec>;

const FraudPolicyStatus = Type.Object(
  {
    ...commonStatus,
    policyId: Type.Optional(Type.String({ maxLength: 100, description: "The policy's id in PayFlow." })),
    hash: Type.Optional(
      Type.String({
        maxLength: 64,
        description: "The SHA-256 of the version in force, in hex; decisions name it too.",
      }),
    ),
    matchedTenants: Type.Optional(
      Type.Integer({ minimum: 0, description: "How many Tenants refer to the policy." }),
    ),
    appliedReplicas: Type.Optional(
      Type.String({
        maxLength: 20,
        pattern: "^[0-9]+/[0-9]+$",
        description: "How many of the running replicas of the fraud app decide by this version: 2/2.",
      }),
    ),
    conditions: conditionList(
      `${progressConditions} Programmed: the version that observedGeneration names is in force in every
       replica of the fraud app.`,
    ),
  },
  { description: "What the policy is, as last seen by the operator." },
);
export type FraudPolicyStatus = Static<typeof FraudPolicyStatus>;

export type FraudPolicy = CustomObject<FraudPolicySpec, FraudPolicyStatus>;

export const fraudPolicyKind = resourceKind("FraudPolicy", "fraudpolicies");

export const fraudPolicyResource: ResourceDefinition = {
  kind: fraudPolicyKind,
  shortNames: ["fp"],
  description: "How payments are judged: those of every Tenant in the same namespace that refers to it.",
  spec: FraudPolicySpec,
  status: FraudPolicyStatus,
  rules: [],
  selectableFields: [],
  columns: [
    ...readyColumns,
    { name: "Mode", type: "string", description: "Enforce, Shadow or Off.", jsonPath: ".spec.mode" },
    {
      name: "Tenants",
      type: "integer",
      description: "How many Tenants refer to it.",
      jsonPath: ".status.matchedTenants",
    },
    {
      name: "Applied",
      type: "string",
      description: "How many replicas of the fraud app decide by it.",
      jsonPath: ".status.appliedReplicas",
    },
    {
      name: "Policy-ID",
      type: "string",
      description: "The policy's id in PayFlow.",
      jsonPath: ".status.policyId",
      priority: 1,
    },
    ...lastColumns,
  ],
  example: {
    mode: "Enforce",
    thresholds: { review: 60, block: 90 },
    rules: [
      {
        name: "velocity_check",
        action: "Block",
        count: { key: "Card", windowSeconds: 60, limit: 10 },
      },
      { name: "amount_threshold", action: "Review", amount: { currency: "INR", maxMinor: 500_000 } },
    ],
    failMode: "Review",
    tests: [
      {
        name: "a large payment is looked at by somebody",
        payment: { amountMinor: 500_001, currency: "INR" },
        expect: "Review",
      },
      {
        name: "an eleventh payment in a minute is refused",
        payment: {
          amountMinor: 100,
          currency: "INR",
          cardFingerprint: "card-1",
          seen: [{ rule: "velocity_check:card", value: 11 }],
        },
        expect: "Block",
      },
    ],
  },
};
