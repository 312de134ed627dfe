import { money } from "./client.ts";
import type { Shop } from "./shop.ts";
import { check } from "./story.ts";

/** A refund in two parts, and once more than is left. */
export async function giveBack(shop: Shop): Promise<void> {
  const { story, client, url } = shop;
  story.chapter("A customer sends things back");
  const order = shop.payments.get("order");
  if (order === undefined) return;
  const path = `${url("payment")}/payments/${order.id}/refunds`;
  for (const amount of [50_000, 70_000]) {
    await story.step(`refunds ${money(amount)} of ${money(order.capturedMinor)}`, async () => {
      const body = { amount, reason: "The customer sent it back" };
      const answer = await client.call(path, { method: "POST", body, expect: 201 });
      check(answer.body.status === "succeeded", `the refund is ${answer.body.status}`);
      order.refundedMinor += amount;
      return `${answer.body.refund_id}, ${money(order.capturedMinor - order.refundedMinor)} are left`;
    });
  }
  await story.step(`refunds ${money(70_000)} once more`, async () => {
    const answer = await client.call(path, { method: "POST", body: { amount: 70_000 }, expect: 422 });
    check(answer.body.code === "refund_exceeds_captured", `the code is ${answer.body.code}`);
    return "422 refund_exceeds_captured, nothing moved";
  });
}
