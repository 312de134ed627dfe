import { expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { fieldRows, typeWords } from "./schema-table.ts";

test("a body's fields are listed with those inside them, their types and what is assumed without them", () => {
  const body = Type.Object({
    amount: Type.Integer({ minimum: 1, maximum: 9, description: "In cents." }),
    method: Type.Optional(Type.Union([Type.Literal("card"), Type.Literal("bank")], { default: "card" })),
    error: Type.Union([Type.Object({ code: Type.String() }), Type.Null()]),
    items: Type.Array(Type.Object({ at: Type.String({ format: "date-time" }) }), { maxItems: 5 }),
    labels: Type.Record(Type.String(), Type.String({ maxLength: 40 })),
  });
  expect(fieldRows(body).map((row) => Object.values(row))).toEqual([
    ["amount", "integer, from 1 to 9", true, "In cents."],
    ["method", "card | bank", false, "`card` when left out."],
    ["error", "object | null", true, ""],
    ["error.code", "string", true, ""],
    ["items", "list of objects, up to 5", true, ""],
    ["items[].at", "time", true, ""],
    ["labels", "object of strings", true, ""],
  ]);
});

test("forms of an object are told apart by their constants", () => {
  const rule = Type.Array(
    Type.Union([
      Type.Object({ kind: Type.Literal("limit"), most: Type.Integer() }),
      Type.Object({ kind: Type.Literal("list"), values: Type.Array(Type.String()) }),
    ]),
  );
  expect(fieldRows(Type.Object({ rules: rule })).map(({ name, type }) => `${name}: ${type}`)).toEqual([
    "rules: list of objects",
    "rules[]: with kind limit",
    "rules[].kind: limit",
    "rules[].most: integer",
    "rules[]: with kind list",
    "rules[].kind: list",
    "rules[].values: list of strings",
  ]);
  expect(typeWords(Type.Unknown())).toBe("any");
});

test("an object that adds to another is listed as one", () => {
  const base = Type.Object({ id: Type.Optional(Type.String()), at: Type.String() });
  expect(fieldRows({ allOf: [base, { required: ["id"] }] })).toMatchObject([
    { name: "id", isRequired: true },
    { name: "at", isRequired: true },
  ]);
});
