/** The fields of an event that tell what became of the payment at its processor. */
export interface OutcomeFields {
  readonly event_type: string;
  readonly failure_category?: string | null;
  readonly retry_result?: string | null;
}

/** `open`: the event says neither that the processor failed nor that it succeeded. */
export type Outcome = "failed" | "succeeded" | "open";

const failedWords =
  "fail fails failed failing failure failures decline declined reject rejected refuse refused deny denied " +
  "error errors errored timeout exhausted unsuccessful";
const succeededWords =
  "succeed succeeds succeeded success successful successfully ok approved authorized authorised captured " +
  "settled completed paid processed recovered";
/** What is still under way, and what others than the processor ended. */
const openWords =
  "created initiated started begun opened requested submitted scheduled queued pending processing attempted " +
  "attempt retrying voided void cancelled canceled expired abandoned flagged blocked";

const verdicts = new Map<string, Outcome>([
  ...failedWords.split(" ").map((word) => [word, "failed"] as const),
  ...succeededWords.split(" ").map((word) => [word, "succeeded"] as const),
  ...openWords.split(" ").map((word) => [word, "open"] as const),
]);

const noCategory = new Set(["", "none", "null", "na", "no", "nofailure", "notapplicable"]);

/**
 * What an event says of its processor, by the first of these that says something:
 *
 * 1. the last word of `event_type` that means a failure (`payment_failed`, `charge.declined`) or a success
 *    (`payment_succeeded`, `payment_failed_then_recovered`);
 * 2. such a word in `retry_result`;
 * 3. a `failure_category` other than `none`: a failure;
 * 4. a word of `event_type` that means something under way, or ended by others (`payment_created`,
 *    `payment_voided`): `open`;
 * 5. nothing: a success, since only failures have to be explained.
 */
export function outcomeOf(event: OutcomeFields): Outcome {
  const typed = verdictOf(event.event_type);
  if (typed === "failed" || typed === "succeeded") return typed;
  const retried = retryVerdict(event.retry_result);
  if (retried !== null) return retried;
  if (hasCategory(event.failure_category)) return "failed";
  return typed ?? "succeeded";
}

/** What `retry_result` says, or null where it says neither a failure nor a success. */
export function retryVerdict(retryResult: string | null | undefined): "failed" | "succeeded" | null {
  if (retryResult === null || retryResult === undefined) return null;
  const verdict = verdictOf(retryResult);
  return verdict === "open" ? null : verdict;
}

/** Whether a failure's category names a time-out, however it is spelled: `processor_timeout`, `timed out`. */
export function isTimeoutCategory(category: string | null | undefined): boolean {
  return category !== null && category !== undefined && /time[^a-z0-9]*(d[^a-z0-9]*)?out/i.test(category);
}

/** The last word of a text that has a verdict; a failure or a success goes before what is open. */
const verdictOf = remembered((text: string): Outcome | null => {
  const words = text
    .toLowerCase()
    .replaceAll(/time[^a-z0-9]*(d[^a-z0-9]*)?out/g, "timeout")
    .split(/[^a-z0-9]+/);
  const known = words.flatMap((word) => verdicts.get(word) ?? []);
  return known.findLast((verdict) => verdict !== "open") ?? known[0] ?? null;
});

const hasCategory = remembered(
  (category: string | null | undefined) =>
    category !== null &&
    category !== undefined &&
    !noCategory.has(category.toLowerCase().replaceAll(/[^a-z0-9]+/g, "")),
);

const mostRemembered = 1_000;

/** Events repeat a few texts over and over; a flood of new ones only empties what is remembered. */
function remembered<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const value = known.get(key);
    // A value of undefined was put there as such.
    if (value !== undefined || known.has(key)) return value as V;
    if (known.size >= mostRemembered) known.clear();
    const computed = compute(key);
    known.set(key, computed);
    return computed;
  };
}
