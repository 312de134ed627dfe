import { randomUUID } from "node:crypto";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type Answer, itemsOf, money, numberOf, objectOf, textOf } from "./client.ts";
import type { Shop } from "./shop.ts";
import { check } from "./story.ts";

const declines = [
  ["pm_card_insufficient_funds", "insufficient_funds"],
  ["pm_card_declined", "card_declined"],
  ["pm_card_do_not_honor", "do_not_honor"],
  ["pm_card_expired", "expired_card"],
  ["pm_card_invalid_cvv", "invalid_cvv"],
] as const;

/** The default policy has larger amounts reviewed. */
const reviewedAmount = 750_000;
const blockedCustomer = "customer-with-a-stolen-card";

/** Payments in every way that a shop meets. */
export async function payInManyWays(shop: Shop): Promise<void> {
  shop.story.chapter("Customers pay");
  await payAndRepeat(shop);
  for (const [method, code] of declines) await payDeclined(shop, method, code);
  await payBlocked(shop);
  await payReviewed(shop);
  await payOnDelivery(shop);
  await payWithoutAnswer(shop);
}

interface Wish {
  readonly body: Record<string, unknown>;
  readonly expect: number;
  readonly idempotencyKey?: string;
}

function pay(shop: Shop, { body, ...rest }: Wish): Promise<Answer> {
  const request = { method: "POST", body: { currency: "INR", ...body }, ...rest } as const;
  return shop.client.call(`${shop.url("payment")}/payments`, request);
}

/** Checks a payment's status and remembers what the books must say of it in the end. */
function remember(shop: Shop, name: string, payment: Record<string, unknown>, status: string): string {
  check(payment.status === status, `the payment is ${payment.status}, not ${status}`);
  const id = textOf(payment, "payment_id");
  const capturedMinor = numberOf(payment, "amount_captured");
  shop.payments.set(name, { id, status, capturedMinor, refundedMinor: 0 });
  return id;
}

async function payAndRepeat(shop: Shop): Promise<void> {
  const { story } = shop;
  const order = { amount: 150_000, description: "Order 1001", metadata: { order: "1001" } };
  const idempotencyKey = randomUUID();
  let first = "";
  await story.step(`pays ${money(order.amount)} by card`, async () => {
    const answer = await pay(shop, { body: order, idempotencyKey, expect: 201 });
    first = answer.text;
    return `succeeded as ${remember(shop, "order", answer.body, "succeeded")}`;
  });
  await story.step("sends the same request again, with the same key", async () => {
    const again = await pay(shop, { body: order, idempotencyKey, expect: 201 });
    check(again.text === first, "the second answer differs from the first");
    check(again.headers.get("idempotent-replayed") === "true", "Idempotent-Replayed is missing");
    return "the first answer, byte for byte; nothing was charged again";
  });
  await story.step("sends another amount with that key", async () => {
    const { body } = await pay(shop, { body: { ...order, amount: 1 }, idempotencyKey, expect: 422 });
    check(body.code === "idempotency_key_reused", `the code is ${body.code}`);
    const fields = itemsOf(body, "errors").map(({ pointer }) => pointer);
    check(fields.includes("/amount"), `the changed field is not named: ${fields}`);
    return "422 idempotency_key_reused, naming /amount";
  });
}

async function payDeclined(shop: Shop, method: string, code: string): Promise<void> {
  await shop.story.step(`pays with ${method}`, async () => {
    const { body } = await pay(shop, { body: { amount: 20_000, payment_method: method }, expect: 402 });
    remember(shop, method, body, "failed");
    const error = objectOf(body, "error");
    check(error.code === code, `the error is ${error.code}`);
    return `402 ${code}: ${error.message}`;
  });
}

async function payBlocked(shop: Shop): Promise<void> {
  const { story, client, url } = shop;
  await story.step("adds a rule to the fraud policy", async () => {
    const { body } = await client.call(`${url("fraud")}/fraud/policy`, { expect: 200 });
    const policy = objectOf(body, "policy");
    const rule = {
      kind: "list",
      name: "stolen_cards",
      field: "customer",
      effect: "deny",
      values: [blockedCustomer],
      action: "block",
    };
    const changed = { ...policy, rules: [...itemsOf(policy, "rules"), rule] };
    await client.call(`${url("fraud")}/fraud/policy`, { method: "PUT", body: changed, expect: 200 });
    return `customers on the list are blocked`;
  });
  await story.step("a customer on that list pays", async () => {
    // Other processes learn of the new policy a moment later; until then such a payment would pass.
    const { body } = await eventually(() =>
      pay(shop, { body: { amount: 30_000, customer_id: blockedCustomer }, expect: 402 }),
    );
    remember(shop, "blocked", body, "flagged");
    check(objectOf(body, "error").code === "fraud_blocked", "the error is not fraud_blocked");
    return `402 fraud_blocked by ${itemsOf(objectOf(body, "fraud"), "rules").join(", ")}`;
  });
}

async function payReviewed(shop: Shop): Promise<void> {
  const { story, client, url } = shop;
  let id = "";
  await story.step(`pays ${money(reviewedAmount)}, more than the policy lets pass unseen`, async () => {
    const { body } = await pay(shop, { body: { amount: reviewedAmount }, expect: 201 });
    id = remember(shop, "reviewed", body, "flagged");
    check(objectOf(body, "fraud").decision === "review", "it is not under review");
    return "under review, authorized and not captured";
  });
  await story.step("a person approves it", async () => {
    const { body } = await client.call(`${url("payment")}/payments/${id}/review`, {
      method: "POST",
      body: { decision: "approve" },
      expect: 200,
    });
    remember(shop, "reviewed", body, "succeeded");
    return `succeeded, ${money(numberOf(body, "amount_captured"))} captured`;
  });
}

async function payOnDelivery(shop: Shop): Promise<void> {
  const { story, client, url } = shop;
  const authorize = async (name: string, amount: number) => {
    const { body } = await pay(shop, { body: { amount, capture_method: "manual" }, expect: 201 });
    return remember(shop, name, body, "authorized");
  };
  await story.step(`authorizes ${money(90_000)} and captures ${money(60_000)} on delivery`, async () => {
    const id = await authorize("delivered", 90_000);
    const { body } = await client.call(`${url("payment")}/payments/${id}/capture`, {
      method: "POST",
      body: { amount: 60_000 },
      expect: 200,
    });
    remember(shop, "delivered", body, "succeeded");
    check(body.amount_captured === 60_000, `${body.amount_captured} was captured`);
    return "captured in part, the rest is released";
  });
  await story.step(`authorizes ${money(40_000)} and cancels`, async () => {
    const id = await authorize("cancelled", 40_000);
    const { body } = await client.call(`${url("payment")}/payments/${id}/void`, {
      method: "POST",
      expect: 200,
    });
    remember(shop, "cancelled", body, "voided");
    const late = await client.call(`${url("payment")}/payments/${id}/capture`, {
      method: "POST",
      expect: 409,
    });
    check(late.body.code === "invalid_state", `a capture after that answered ${late.body.code}`);
    return "voided; a capture after that is refused with 409 invalid_state";
  });
}

async function payWithoutAnswer(shop: Shop): Promise<void> {
  const { story, client, url } = shop;
  await story.step("pays while the processor's answer gets lost", async () => {
    const method = "pm_card_timeout_then_succeeded";
    const { body } = await pay(shop, { body: { amount: 25_000, payment_method: method }, expect: 202 });
    check(body.status === "processing", `the payment is ${body.status}`);
    const id = textOf(body, "payment_id");
    const settled = await eventually(
      async () => {
        const now = await client.call(`${url("payment")}/payments/${id}`, { expect: 200 });
        return now.body.status !== "processing" && now.body;
      },
      { timeoutMs: 30_000, everyMs: 200 },
    );
    remember(shop, "unanswered", settled, "succeeded");
    return "202 processing at first; an inquiry found the charge: succeeded";
  });
}
