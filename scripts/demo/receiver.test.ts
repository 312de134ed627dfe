import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { WebhookReceiver } from "./receiver.ts";

test("only what is signed with the endpoint's secret counts, and a repeat counts once", async () => {
  const receiver = new WebhookReceiver();
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  receiver.trust(secret);
  const send = async (id: string, signedBy: string, body: string) => {
    const at = new Date();
    const headers = {
      "webhook-id": id,
      "webhook-timestamp": `${Math.floor(at.getTime() / 1_000)}`,
      "webhook-signature": new Webhook(signedBy).sign(id, at, '{"event":"payment.settled"}'),
    };
    return (await fetch(receiver.url, { method: "POST", headers, body })).status;
  };
  const honest = '{"event":"payment.settled"}';
  expect(await send("evt_1", secret, honest)).toBe(204);
  expect(await send("evt_1", secret, honest)).toBe(204);
  expect(await send("evt_2", `whsec_${randomBytes(32).toString("base64")}`, honest)).toBe(401);
  expect(await send("evt_3", secret, '{"event":"refund.settled"}')).toBe(401);
  expect(receiver.refused).toBe(2);
  expect(receiver.distinct("payment.settled")).toHaveLength(1);
  await receiver.close();
});
