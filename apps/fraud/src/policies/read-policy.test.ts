import { expect, test } from "bun:test";
import { DomainError } from "@payflow/contracts/errors.ts";
import fc from "fast-check";
import { defaultPolicy } from "./default-policy.ts";
import { policyHash } from "./policy.ts";
import { readPolicy } from "./read-policy.ts";

const amount = { kind: "amount", name: "amount_threshold", max: 1_000, action: "review" };
const count = {
  kind: "velocity",
  name: "velocity_check",
  key: "customer",
  measure: "count",
  window_seconds: 60,
  limit: 10,
  action: "block",
};

/** The pointers of the fields that are refused. */
function refused(body: unknown): string[] {
  try {
    readPolicy(body);
  } catch (error) {
    if (error instanceof DomainError && error.reason === "invalid_request") {
      return (error.errors ?? []).map((one) => one.pointer);
    }
    throw error;
  }
  return [];
}

test("what is left out takes its default", () => {
  expect<unknown>(readPolicy({ rules: [amount, count] })).toEqual({
    rules: [
      { ...amount, id: "amount_threshold", mode: "enforce", weight: 0 },
      { ...count, id: "velocity_check:customer", mode: "enforce", weight: 0 },
    ],
    tiers: [],
    fail_mode: "review",
    late_block: "flag",
  });
});

test("a complete policy is read back as it is, the default one too", () => {
  const policy = defaultPolicy({
    velocityWindowSeconds: 60,
    velocityMaxPayments: 10,
    amountThresholdMinor: 1,
  });
  expect(readPolicy(policy)).toEqual(policy);
  expect(policyHash(readPolicy(JSON.parse(JSON.stringify(policy))))).toBe(policyHash(policy));
});

test("the hash is of what a policy says and not of how it was written", () => {
  const reversed = Object.fromEntries(Object.entries(count).reverse());
  expect(policyHash(readPolicy({ rules: [reversed] }))).toBe(policyHash(readPolicy({ rules: [count] })));
  expect(policyHash(readPolicy({ rules: [{ ...count, limit: 11 }] }))).not.toBe(
    policyHash(readPolicy({ rules: [count] })),
  );
});

test.each<[string, unknown, string[]]>([
  ["no object", null, [""]],
  ["no rules", {}, ["/rules"]],
  ["rules that are no list", { rules: "many" }, ["/rules"]],
  ["a rule that is no object", { rules: [7] }, ["/rules/0"]],
  ["an unknown kind", { rules: [{ ...amount, kind: "magic" }] }, ["/rules/0/kind"]],
  ["a kind of every object", { rules: [{ ...amount, kind: "toString" }] }, ["/rules/0/kind"]],
  ["an unknown measure", { rules: [{ ...count, measure: "median" }] }, ["/rules/0/measure"]],
  ["a missing limit", { rules: [amount, { ...count, limit: undefined }] }, ["/rules/1/limit"]],
  ["a field of another kind", { rules: [{ ...amount, window_seconds: 60 }] }, ["/rules/0/window_seconds"]],
  ["an unknown field", { rules: [], surprise: 1 }, ["/surprise"]],
  ["a window over a day", { rules: [{ ...count, window_seconds: 86_401 }] }, ["/rules/0/window_seconds"]],
  ["a sum without its currency", { rules: [{ ...count, measure: "sum" }] }, ["/rules/0/currency"]],
  ["a currency that is none", { rules: [{ ...amount, currency: "XXQ" }] }, ["/rules/0/currency"]],
  ["a ratio over one", { rules: [{ ...count, measure: "fail_ratio", limit: 1.5 }] }, ["/rules/0/limit"]],
  ["a weight over 100", { rules: [{ ...amount, weight: 101 }] }, ["/rules/0/weight"]],
  ["an unknown action", { rules: [{ ...amount, action: "explode" }] }, ["/rules/0/action"]],
  ["a name with blanks", { rules: [{ ...amount, name: "too large" }] }, ["/rules/0/name"]],
  ["the fail mode's name", { rules: [{ ...amount, name: "fail_mode" }] }, ["/rules/0/name"]],
  ["two rules of one id", { rules: [amount, amount] }, ["/rules/1/id"]],
  [
    "distinct values of the key itself",
    {
      rules: [{ ...count, measure: "distinct", of: "customer" }],
    },
    ["/rules/0/of"],
  ],
  [
    "an address that is none",
    {
      rules: [
        { kind: "list", name: "ips", field: "ip", effect: "allow", values: ["192.0.2.1", "10.1", "::1/129"] },
      ],
    },
    ["/rules/0/values/1", "/rules/0/values/2"],
  ],
  [
    "an allow list that acts",
    {
      rules: [{ kind: "list", name: "l", field: "card", effect: "allow", values: ["a"], action: "block" }],
    },
    ["/rules/0/action"],
  ],
  [
    "more rules than fifty",
    { rules: Array.from({ length: 51 }, (_, id) => ({ ...amount, id: `r${id}` })) },
    ["/rules"],
  ],
  [
    "two tiers of one score",
    {
      rules: [],
      tiers: [
        { min_score: 5, action: "flag" },
        { min_score: 5, action: "block" },
      ],
    },
    ["/tiers"],
  ],
  ["a fail mode that is none", { rules: [], fail_mode: "flag" }, ["/fail_mode"]],
  [
    "several wrong fields",
    {
      rules: [
        { ...amount, max: -1 },
        { ...count, key: "dog" },
      ],
    },
    ["/rules/0/max", "/rules/1/key"],
  ],
])("refuses %s and names the field", (_, body, pointers) => {
  expect(refused(body)).toEqual(pointers);
});

test("any JSON at all is read or refused, never a crash", () => {
  const rule = fc.dictionary(
    fc.constantFrom("kind", "name", "key", "measure", "effect", "field", "values", "limit", "max", "action"),
    fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("velocity", "list", "count", "deny", "ip", "amount", "__proto__"),
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.jsonValue(), fc.record({ rules: fc.array(fc.oneof(rule, fc.jsonValue())) })),
      (body) => {
        refused(body);
      },
    ),
    { numRuns: 500 },
  );
});
