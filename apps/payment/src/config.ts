import {
  busSettings,
  databaseSettings,
  outboxSettings,
  serviceSettings,
  setting,
} from "@payflow/service-kit/process/config.ts";
import { type Static, Type } from "@sinclair/typebox";

/** What payment reads from its environment. */
export const paymentSettings = Type.Object({
  ...serviceSettings,
  ...databaseSettings,
  ...busSettings,
  ...outboxSettings,
  FRAUD_SERVICE_URL: setting.url("The fraud app's internal base URL.", "http://127.0.0.1:4004"),
  FRAUD_TIMEOUT_MS: setting.milliseconds("A payment not scored by then follows the tenant's fail mode.", 250),
  PROCESSOR: setting.choice(["simulated"], "Who moves the money.", "simulated"),
  PROCESSOR_DATABASE_URL: setting.postgresUrl("The simulated processor's own database."),
  PROCESSOR_TIMEOUT_MS: setting.milliseconds(
    "A processor's answer later than this is asked for again.",
    3_000,
  ),
  PROCESSOR_SEED: setting.text("Decides which payments with pm_card_random succeed.", "payflow"),
  AUTHORIZATION_SECONDS: setting.integer("How long an authorization may wait to be captured.", 604_800, {
    minimum: 1,
  }),
  INQUIRY_FIRST_MS: setting.milliseconds("From a lost processor answer to the first inquiry.", 5_000),
  INQUIRY_MAX_MS: setting.milliseconds("Between two inquiries at most.", 3_600_000),
  RECOVERY_EVERY_MS: setting.milliseconds("Between two looks for work that nobody ends.", 500),
  IDEMPOTENCY_DAYS: setting.integer("How long the first answers to requests are kept.", 30, { minimum: 1 }),
});
export type PaymentConfig = Static<typeof paymentSettings>;
