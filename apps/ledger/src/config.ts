import {
  busSettings,
  databaseSettings,
  serviceSettings,
  setting,
} from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

/** Everything the ledger reads from its environment. */
export const ledgerSettings = Type.Object({
  ...serviceSettings,
  ...databaseSettings,
  ...busSettings,
  PAYMENT_SERVICE_URL: setting.url(
    "The payment app's internal base URL, which reconciliation reads.",
    "http://127.0.0.1:4000",
  ),
  RECONCILIATION_INTERVAL_SECONDS: setting.integer(
    "Seconds between two comparisons of what settled lately.",
    60,
    { minimum: 1, maximum: 86_400 },
  ),
  RECONCILIATION_GRACE_SECONDS: setting.integer(
    "What settled less than this many seconds ago is left to the next comparison.",
    60,
    { maximum: 86_400 },
  ),
  RECONCILIATION_NIGHTLY: setting.text(
    "When everything is compared: a cron pattern of five fields, in UTC.",
    "0 2 * * *",
    {
      pattern: "^([0-9*,/L#-]+|[A-Za-z,-]+)( ([0-9*,/L#-]+|[A-Za-z,-]+)){4}$",
    },
  ),
});
