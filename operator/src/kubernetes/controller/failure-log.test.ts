import { expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { ApiError } from "../client/api-error.ts";
import { FailureLog } from "./failure-log.ts";

function newLog() {
  const lines: string[] = [];
  const log = new FailureLog(createLogger("test", "info", { write: (line) => lines.push(line) }));
  /** What was told since it was last asked: level, object and failures in a row. */
  const told = () =>
    lines.splice(0).map((line) => {
      const { level, key, failures } = JSON.parse(line) as Record<string, unknown>;
      return `${level} ${key} ${failures}`;
    });
  return { log, told };
}

test("a failure is told once however often it comes again, each change of its reason, and its end", () => {
  const { log, told } = newLog();
  for (let count = 0; count < 1_000; count += 1) {
    log.failed("a/one", new ApiError(503, "Unavailable", `GET /a?try=${count}: away`));
    log.failed("a/two", new Error(`no answer within ${count} ms`));
  }
  expect(told()).toEqual(["warn a/one 1", "warn a/two 1"]);
  log.failed("a/one", new ApiError(403, "Forbidden", "GET /a: no"));
  expect(told()).toEqual(["warn a/one 1001"]);
  log.wentWell("a/one");
  log.wentWell("a/one");
  log.wentWell("a/never-failed");
  expect(told()).toEqual(["info a/one 1001"]);
  log.failed("a/one", new ApiError(403, "Forbidden", "GET /a: no"));
  expect(told()).toEqual(["warn a/one 1"]);
});

test("what is gone is forgotten without a word", () => {
  const { log, told } = newLog();
  log.failed("a/one", new Error("away"));
  log.forget("a/one");
  log.wentWell("a/one");
  expect(told()).toEqual(["warn a/one 1"]);
});
