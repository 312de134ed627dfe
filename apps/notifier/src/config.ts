import { operatorSettings } from "@payflow/service-kit/governing/operator-settings.ts";
import {
  busSettings,
  databaseSettings,
  serviceSettings,
  setting,
} from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

/** Everything the notifier reads from its environment. */
export const notifierSettings = Type.Object({
  ...serviceSettings,
  ...databaseSettings,
  ...busSettings,
  ...operatorSettings,
  WEBHOOK_ENCRYPTION_KEY: setting.secret("Signing secrets are encrypted with a key derived from it.", 32),
  WEBHOOK_PREVIOUS_ENCRYPTION_KEYS: setting.optional(
    setting.text(
      "Earlier values of WEBHOOK_ENCRYPTION_KEY, by comma, while secrets of theirs are in use.",
      undefined,
      {
        secret: true,
      },
    ),
  ),
  WEBHOOK_ALLOW_PRIVATE: setting.flag(
    "Admits webhooks by http and to addresses that are not public: for one machine and tests.",
    false,
  ),
  WEBHOOK_DEADLINE_MS: setting.milliseconds(
    "What one attempt may take from name resolution to the answer's last byte.",
    15_000,
    100,
  ),
  WEBHOOK_MAX_IN_FLIGHT: setting.integer("Attempts under way at once in one process.", 1_000, {
    minimum: 1,
    maximum: 20_000,
  }),
});
