import type { Static } from "@sinclair/typebox";
import { duration } from "./duration.ts";
import { choice, settings, validated } from "./schema.ts";

/** When a secret that the operator made is replaced, and how long the one before it works beside it. */
export const Rotation = settings(
  {
    policy: choice(
      ["Manual", "Scheduled"],
      `Scheduled replaces it whenever the interval is over; Manual only when the annotation
       payflow.dev/rotate-now is changed, which Scheduled follows too.`,
      { default: "Manual" },
    ),
    interval: duration(
      "2160h",
      `From one replacement to the next under Scheduled, in hours, minutes and seconds, such as 2160h or
       1h30m: from 1m to 8760h.`,
    ),
    overlap: duration(
      "24h",
      `How long the previous one still works after a replacement, so that whoever uses it can take up the
       new one: from 0s, which ends it at once, to 168h, and shorter than the interval.`,
    ),
  },
  "When it is replaced by a new one.",
  validated(
    {
      rule: "duration(self.interval) >= duration('1m') && duration(self.interval) <= duration('8760h')",
      message: "interval must be from 1m to 8760h",
      fieldPath: ".interval",
    },
    {
      rule: "duration(self.overlap) <= duration('168h')",
      message: "overlap must be at most 168h",
      fieldPath: ".overlap",
    },
    {
      rule: "self.policy != 'Scheduled' || duration(self.overlap) < duration(self.interval)",
      message: "overlap must be shorter than interval, so that no more than two work at a time",
      fieldPath: ".overlap",
    },
  ),
);
export type Rotation = Static<typeof Rotation>;
