import { expect, test } from "bun:test";
import { balanceOf } from "../balances/balance.ts";
import { exactInteger } from "../balances/exact-integer.ts";
import { accounts, normalSide, sides, transferTypes } from "./transfer.ts";

test("a refund is a capture with its sides changed", () => {
  expect(sides.refund).toEqual({ debit: sides.capture.credit, credit: sides.capture.debit });
});

test("every movement has two different accounts", () => {
  for (const type of transferTypes) expect(sides[type].debit).not.toBe(sides[type].credit);
});

test("what processors owe grows by debits, everything we owe by credits", () => {
  expect(accounts.filter((account) => normalSide(account) === "debit")).toEqual(["processor_clearing"]);
  expect(balanceOf({ account: "processor_clearing", debits: 10n, credits: 4n })).toBe(6n);
  expect(balanceOf({ account: "tenant_payable", debits: 10n, credits: 4n })).toBe(-6n);
});

test("integers stay exact in JSON beyond what a double holds", () => {
  for (const digits of [
    "0",
    "-5",
    "9007199254740991",
    "9007199254740993",
    "-99999999999999999999999999999999999999",
  ]) {
    expect(JSON.stringify({ balance: exactInteger(BigInt(digits)) })).toBe(`{"balance":${digits}}`);
  }
});
