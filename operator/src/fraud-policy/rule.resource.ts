import { currencies } from "@payflow/contracts/currencies.ts";
import { maxAmountMinor } from "@payflow/contracts/fields.ts";
import { type Static, type TProperties, Type } from "@sinclair/typebox";
import { choice, plainText, validated } from "../resources/schema.ts";

const dimensions = ["Tenant", "Customer", "Card", "IP"] as const;
const payers = ["Customer", "Card", "IP"] as const;

export const currencyCode = (description: string) => choice([...currencies.keys()], description);

const windowSeconds = Type.Integer({
  minimum: 1,
  maximum: 86_400,
  description: "How far back the rule looks, in seconds, at every payment anew.",
});
const key = choice(dimensions, "Whose payments are looked at together: Tenant means all of the tenant's.");

function part<P extends TProperties>(description: string, properties: P, options = {}) {
  return Type.Optional(Type.Object(properties, { description, ...options }));
}

const values = Type.Array(plainText(255, "A value; for IP an address, or a range such as 10.0.0.0/8."), {
  "x-kubernetes-list-type": "set",
  minItems: 1,
  // Half of what REST takes: the API server counts a rule's cost with every list full.
  maxItems: 500,
  description: "The values that are listed.",
});

function list(description: string) {
  return part(
    description,
    { field: choice(payers, "What of a payment is compared."), values },
    validated({
      rule: "self.field != 'IP' || self.values.all(one, one.contains('/') ? isCIDR(one) : isIP(one))",
      message: "each of the values must be an IP address or a range in CIDR notation",
      fieldPath: ".values",
    }),
  );
}

/** What a rule looks at: one of these stands in each rule. */
const kinds = {
  count: part("Triggers when more payments than the limit were tried, this one included.", {
    key,
    windowSeconds,
    limit: Type.Integer({ minimum: 0, maximum: 1_000_000, description: "So many payments do not trigger." }),
  }),
  sum: part("Triggers when more money than the limit was tried, this payment included.", {
    key,
    windowSeconds,
    currency: currencyCode("The currency whose payments are summed up."),
    limitMinor: Type.Integer({
      minimum: 0,
      maximum: 1_000_000_000_000_000,
      description: "So much does not trigger, in the currency's smallest unit.",
    }),
  }),
  distinct: part(
    "Triggers when more different values than the limit were seen.",
    {
      key,
      windowSeconds,
      of: choice(payers, "Of what different values are counted."),
      limit: Type.Integer({ minimum: 0, maximum: 4_095, description: "So many do not trigger." }),
    },
    validated({ rule: "self.of != self.key", message: "of must differ from key", fieldPath: ".of" }),
  ),
  failRatio: part("Triggers when a larger share of the tried payments than the limit failed.", {
    key,
    windowSeconds,
    limitPercent: Type.Integer({
      minimum: 0,
      maximum: 100,
      description: "Such a share does not trigger, in percent.",
    }),
    minSample: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: "With fewer payments than this nothing triggers.",
      default: 10,
    }),
  }),
  repeatFailure: part("Triggers once so many payments failed at the processor.", {
    key,
    windowSeconds,
    limit: Type.Integer({ minimum: 1, maximum: 4_096, description: "So many trigger." }),
  }),
  amount: part("Triggers on a payment larger than the maximum.", {
    currency: Type.Optional(
      currencyCode("The currency whose payments are looked at; those in any when left out."),
    ),
    maxMinor: Type.Integer({
      minimum: 0,
      maximum: maxAmountMinor,
      description: "So much does not trigger, in the currency's smallest unit.",
    }),
  }),
  deny: list("Triggers on a value that is listed."),
  allow: list("On a value that is listed no rule acts but those with deny."),
};

const kindNames = Object.keys(kinds);
const areGiven = kindNames.map((kind) => `has(self.${kind})`).join(", ");
const isExactlyOne = `[${areGiven}].filter(one, one).size() == 1`;

const PolicyRule = Type.Object(
  {
    name: Type.String({
      pattern: "^[a-z][a-z0-9_]{0,63}$",
      maxLength: 64,
      description: `What decisions call the rule. Rules that watch for one thing by several keys may share a
        name.`,
      ...validated({
        rule: "self != 'fail_mode'",
        message: "fail_mode is what the policy itself is called by",
      }),
    }),
    id: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9][a-z0-9_.:-]{0,99}$",
        maxLength: 100,
        description: `What the rule is told apart by in the policy: its name and key, such as velocity:card,
          or its name alone where it has no key, when left out.`,
      }),
    ),
    mode: choice(
      ["Enforce", "Shadow", "Off"],
      "Enforce acts; Shadow is evaluated and recorded, but never acted on; Off is not evaluated.",
      { default: "Enforce" },
    ),
    action: Type.Optional(
      choice(
        ["Flag", "Review", "Block"],
        `What the rule alone does to a payment. Flag marks it, Review holds it back until somebody decides,
         Block refuses it. A rule with allow has none, every other has one.`,
      ),
    ),
    weight: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: "Added to the payment's score when the rule triggers; 0 when left out.",
      }),
    ),
    ...kinds,
  },
  {
    description: "One thing to look at.",
    ...validated(
      { rule: isExactlyOne, message: `exactly one of ${kindNames.join(", ")} must be given` },
      {
        rule: "has(self.allow) != has(self.action)",
        message: "action must be given, except with allow, which has none",
      },
      { rule: "!has(self.allow) || !has(self.weight)", message: "weight must not be given with allow" },
    ),
  },
);
export type PolicyRule = Static<typeof PolicyRule>;

export const rulesSchema = Type.Array(PolicyRule, {
  "x-kubernetes-list-type": "atomic",
  maxItems: 50,
  default: [],
  description: "What is looked at in each payment. The strictest action of all rules that trigger wins.",
  ...validated({
    rule: "self.all(one, !has(one.id) || self.exists_one(other, has(other.id) && other.id == one.id))",
    message: "each id must stand once",
  }),
});
