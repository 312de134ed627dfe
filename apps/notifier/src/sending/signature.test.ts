import { expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { newSigningSecret, signedHeaders } from "./signature.ts";

const nowSeconds = () => Math.floor(Date.now() / 1_000);

test("a secret is whsec_ and base64 of 32 bytes", () => {
  const secret = newSigningSecret();
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(newSigningSecret()).not.toBe(secret);
});

test("the standardwebhooks library verifies what is signed, and refuses a changed body", () => {
  const secret = newSigningSecret();
  const body = JSON.stringify({ event: "payment.settled", note: "naïve ✓" });
  const headers = signedHeaders({ eventId: "evt_1", timestamp: nowSeconds(), body }, [secret]);
  expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
  expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow();
  expect(() => new Webhook(newSigningSecret()).verify(body, headers)).toThrow();
});

test("with two secrets, each verifies alone", () => {
  const secrets = [newSigningSecret(), newSigningSecret()];
  const headers = signedHeaders({ eventId: "evt_1", timestamp: nowSeconds(), body: "{}" }, secrets);
  expect(headers["webhook-signature"]?.split(" ")).toHaveLength(2);
  for (const secret of secrets) expect(new Webhook(secret).verify("{}", headers)).toEqual({});
});
