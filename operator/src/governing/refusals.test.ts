import { expect, test } from "bun:test";
import { DomainError, unavailable } from "@payflow/contracts/errors.ts";
import { ApiError, isConflict } from "../kubernetes/client/api-error.ts";
import { FinalError, RetryLater } from "../kubernetes/controller/reconciler.ts";
import { AppAway, meaningOf, nextAfterFailure, progressOfFailure, Refused } from "./refusals.ts";

test("what somebody has to change stalls, with the app's own words", () => {
  const errors = [{ pointer: "/mode", message: "Expected test" }];
  const meaning = meaningOf(new DomainError("immutable_field", "Set it back.", { errors }));
  expect(meaning).toBeInstanceOf(FinalError);
  expect(progressOfFailure(meaning)).toEqual({
    ...{ state: "stalled", reason: "ImmutableField" },
    message: "Set it back. /mode: Expected test",
  });
  const told = [{ pointer: "/tests/0", message: "large: expected block" }];
  const failed = new DomainError("policy_test_failed", "It fails: large: expected block.", { errors: told });
  expect(progressOfFailure(meaningOf(failed)).message).toBe("It fails: large: expected block.");
  const codes = ["invalid_request", "invalid_state", "limit_reached", "tenant_has_payments"] as const;
  for (const code of [...codes, "governed_by_another", "policy_test_failed"] as const) {
    expect(meaningOf(new DomainError(code))).toBeInstanceOf(Refused);
  }
});

test("what passes by itself is tried again no sooner than the app asks, and never after more than a minute", () => {
  const after = (seconds: string) => ({ headers: { "retry-after": seconds } });
  const waits = [
    unavailable("The tenant app", 7),
    new DomainError("rate_limited", undefined, after("3")),
    new DomainError("unavailable", undefined, after("86400")),
    new DomainError("internal_error"),
  ].map((error) => {
    const meaning = meaningOf(error);
    expect(meaning).toBeInstanceOf(AppAway);
    return meaning instanceof RetryLater ? meaning.afterMs : undefined;
  });
  expect(waits).toEqual([7_000, 3_000, 60_000, 1_000]);
  expect(progressOfFailure(meaningOf(unavailable("The tenant app"))).state).toBe("reconciling");
});

test("what may go without a word to us is looked for ever more seldom, and other refusals wait for a change", () => {
  const taken = nextAfterFailure(new Refused("SecretNotOwned", "There is a Secret acme."));
  expect(taken?.waiting).toMatchObject({ reason: "SecretNotOwned", backoff: { maxMs: 60_000 } });
  for (const error of [new Refused("InvalidRequest", "No."), new Error("away"), undefined]) {
    expect(nextAfterFailure(error)).toBeUndefined();
  }
});

test("a stale generation is read again as a conflict is, and is no failure", () => {
  expect(isConflict(meaningOf(new DomainError("stale_generation")))).toBe(true);
});

test("of other failures the status says nothing that a log should say", () => {
  const told = [new Error("pfk_live_secret"), new ApiError(403, "Forbidden", "PATCH /secret: no")].map(
    (error) => progressOfFailure(error).message,
  );
  expect(told[0]).not.toContain("secret");
  expect(told[1]).toBe("The API server answered 403 Forbidden; it is tried again.");
});
