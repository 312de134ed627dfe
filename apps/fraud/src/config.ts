import { operatorSettings } from "@payflow/service-kit/governing/operator-settings.ts";
import {
  busSettings,
  databaseSettings,
  serviceSettings,
  setting,
} from "@payflow/service-kit/process/config.ts";
import { Type } from "@sinclair/typebox";

/** Everything fraud reads from its environment. */
export const fraudSettings = Type.Object({
  ...serviceSettings,
  ...databaseSettings,
  ...busSettings,
  ...operatorSettings,
  VELOCITY_WINDOW_SECONDS: setting.integer("The default policy's window for velocity_check.", 60, {
    minimum: 1,
    maximum: 86_400,
  }),
  VELOCITY_MAX_PAYMENTS: setting.integer("Payments that pass the default velocity_check in its window.", 10, {
    minimum: 0,
    maximum: 1_000_000,
  }),
  AMOUNT_THRESHOLD_PAISE: setting.integer(
    "Larger amounts are reviewed by the default amount_threshold, in the currency's smallest unit.",
    500_000,
    { maximum: 999_999_999_999 },
  ),
  UPKEEP_INTERVAL_SECONDS: setting.integer("Seconds between two looks for rows to delete.", 600, {
    minimum: 1,
    maximum: 86_400,
  }),
});
