import { expect, test } from "bun:test";
import { appendFileSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { rotateOnce } from "./log-rotation.ts";

test("a full log is kept once under another name, and its writer goes on in the emptied file", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-logs-"));
  const file = path.join(folder, "payment-1.log");
  const writer = openSync(file, "a");
  writeSync(writer, "before\n");
  appendFileSync(path.join(folder, "small.log"), "x");
  rotateOnce(folder, 3);
  writeSync(writer, "after\n");
  closeSync(writer);
  expect(readFileSync(`${file}.1`, "utf8")).toBe("before\n");
  expect(readFileSync(file, "utf8")).toBe("after\n");
  expect(readFileSync(path.join(folder, "small.log"), "utf8")).toBe("x");
  rmSync(folder, { recursive: true });
});
