import type { InternalEndpoint } from "@payflow/contracts/internal-notifier.ts";
import type { Finding, Progress } from "../../kubernetes/objects/conditions.ts";
import { wholeSeconds } from "../../kubernetes/objects/object-time.ts";

/** What the notifier says of an endpoint's deliveries. */
export type Deliveries = InternalEndpoint["status"];

/** As it stands in the status; what never was is left out. Times are in whole seconds. */
export function deliveryStatus(deliveries: Deliveries) {
  const { last_success_at: success, last_failure_at: failure, last_status_code: code } = deliveries;
  return {
    ...(success === null ? {} : { lastSuccess: wholeSeconds(new Date(success)) }),
    ...(failure === null ? {} : { lastFailure: wholeSeconds(new Date(failure)) }),
    ...(code === null ? {} : { lastStatusCode: code }),
    consecutiveFailures: deliveries.consecutive_failures,
    pending: deliveries.pending,
    dead: deliveries.dead,
  };
}

const why = {
  gone: "It answered 410, which asks for no more. Change the resource to enable it again.",
  failing: "It failed for days and is only probed. A success enables it again, and so does a change.",
} as const;

/** How the endpoint is: whether what is sent arrives, and whether the notifier has given it up. */
export function deliveryFindings(deliveries: Deliveries, isWanted: boolean): readonly Finding[] {
  const { auto_disabled: reason } = deliveries;
  const disabled: Finding = {
    type: "AutoDisabled",
    status: reason === null ? "False" : "True",
    reason: reason === null ? "Accepting" : reasons[reason],
    message: reason === null ? "" : why[reason],
  };
  return [{ type: "Delivering", ...delivering(deliveries, isWanted) }, disabled];
}

const reasons = { gone: "Gone", failing: "FailedForDays" } as const;

function delivering(deliveries: Deliveries, isWanted: boolean): Omit<Finding, "type"> {
  const { auto_disabled: disabled, consecutive_failures: failures, last_status_code: code } = deliveries;
  if (!isWanted) return { status: "False", reason: "Disabled", message: "The resource disables it." };
  if (disabled !== null) return { status: "False", reason: reasons[disabled], message: why[disabled] };
  if (failures > 0) {
    const last = code === null ? "and nothing was answered yet" : `and the last answer was ${code}`;
    return {
      status: "False",
      reason: "Failing",
      message: `${failures} ${failures === 1 ? "attempt" : "attempts in a row"} failed, ${last}.`,
    };
  }
  if (deliveries.last_success_at === null) {
    return { status: "Unknown", reason: "NothingSent", message: "Nothing was to be sent yet." };
  }
  return { status: "True", reason: "Delivered", message: "The last attempt succeeded." };
}

/**
 * How far an endpoint has come whose spec the notifier has taken. One that answered 410 waits for a change of
 * its resource; one that failed for days may come back by itself.
 */
export function endpointProgress(deliveries: Deliveries): Progress {
  const { auto_disabled: reason } = deliveries;
  if (reason === null) {
    return {
      state: "ready",
      reason: "Programmed",
      message: "The notifier has the endpoint as it is wanted.",
    };
  }
  return {
    state: reason === "gone" ? "stalled" : "reconciling",
    reason: "AutoDisabled",
    message: why[reason],
  };
}
