import { expect, test } from "bun:test";
import { type InternalEndpoint, PutEndpointBody } from "@payflow/contracts/internal-notifier.ts";
import { Value } from "@sinclair/typebox/value";
import { noDeliveries } from "../../test/setup/no-deliveries.ts";
import { endpointBody } from "./endpoint-body.ts";
import { driftedFields } from "./endpoint-drift.ts";
import { fingerprintOf } from "./signing/signing.ts";
import type { WebhookEndpointSpec } from "./webhook-endpoint.resource.ts";

const secret = `whsec_${"a".repeat(43)}=`;
const spec: WebhookEndpointSpec = {
  tenantRef: { name: "acme" },
  mode: "live",
  url: "https://example.com/hook",
  events: ["payment.settled", "refund.settled"],
  enabled: true,
  signing: { rotation: { policy: "Manual", interval: "2160h", overlap: "24h" } },
  delivery: { timeoutSeconds: 15, maxAttempts: 10 },
  deletionPolicy: "Drain",
};
const body = endpointBody(spec, "ten_01h455vb4pex5vsknk084sn02q", { secret, overlap_seconds: 60 });
const { signing: _signing, ...same } = body;
const found: InternalEndpoint = {
  ...same,
  endpoint_id: "whe_1",
  events: ["refund.settled", "payment.settled"],
  state: "open",
  generation: 1,
  signing: { fingerprint: fingerprintOf(secret), previous_expires_at: null },
  status: noDeliveries,
};

test("what the notifier is told is what its route takes", () => {
  expect(Value.Check(PutEndpointBody, body)).toBe(true);
  const limited = { ...spec, delivery: { ...spec.delivery, ratePerSecond: 7 } };
  expect(endpointBody(limited, "t", body.signing).delivery).toEqual({
    ...{ timeout_seconds: 15, max_attempts: 10, rate_per_second: 7 },
  });
});

test("an endpoint that is as wanted has not drifted, whatever the order of its events", () => {
  expect(driftedFields(spec, secret, found)).toEqual([]);
});

test("each field that differs is named as the resource names it", () => {
  const drifted: InternalEndpoint = {
    ...found,
    url: "https://example.com/other",
    events: ["payment.settled"],
    enabled: false,
    signing: { ...found.signing, fingerprint: "0".repeat(16) },
    delivery: { timeout_seconds: 5, max_attempts: 3, rate_per_second: 7 },
  };
  expect([...driftedFields(spec, secret, drifted)].sort()).toEqual([
    "delivery.maxAttempts",
    "delivery.ratePerSecond",
    "delivery.timeoutSeconds",
    "enabled",
    "events",
    "signing",
    "url",
  ]);
});
