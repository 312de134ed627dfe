import { operatorSettings } from "@payflow/service-kit/governing/operator-settings.ts";
import {
  busSettings,
  databaseSettings,
  serviceSettings,
  setting,
} from "@payflow/service-kit/process/config.ts";
import { type Static, Type } from "@sinclair/typebox";

export const tenantSettings = Type.Object({
  ...serviceSettings,
  ...databaseSettings,
  ...busSettings,
  ...operatorSettings,
  NOTIFIER_SERVICE_URL: setting.url("The notifier app's internal base URL.", "http://127.0.0.1:4002"),
  PAYMENT_SERVICE_URL: setting.url("The payment app's internal base URL.", "http://127.0.0.1:4000"),
  API_KEY_SECRET: setting.secret("Keys are stored as HMAC under this secret; losing it ends every key.", 32),
  API_KEY_SECRET_VERSION: setting.integer("The version of that secret, stored beside each key.", 1, {
    minimum: 1,
    maximum: 1_000_000,
  }),
  API_KEY_PREVIOUS_SECRETS: setting.optional(
    setting.text("Older secrets still accepted, as VERSION:SECRET by comma.", undefined, {
      secret: true,
      pattern: "^[1-9]\\d{0,6}:[^,]{32,}(,[1-9]\\d{0,6}:[^,]{32,})*$",
    }),
  ),
  TENANT_REGISTRATION: setting.choice(
    ["open", "admin"],
    "Who may register a tenant: anybody, or the holder of the admin token.",
    "open",
  ),
  OPEN_REGISTRATIONS_PER_MINUTE: setting.integer(
    "Tenants that anybody may register, all replicas together; the admin token registers without limit.",
    60,
    { minimum: 1, maximum: 1_000_000 },
  ),
  CHANGE_HEARTBEAT_MS: setting.milliseconds(
    "How often changes of keys are published; at 500 and above every service asks for each key.",
    250,
  ),
  LAST_USED_FLUSH_MS: setting.milliseconds("How often the times of last use are written down.", 10_000),
});
export type TenantConfig = Static<typeof tenantSettings>;
