import { expect, test } from "bun:test";
import { readExporterSettings } from "./exporter-settings.ts";

test("what is wrong with settings is told in words, never as a pattern or a schema", () => {
  const s3 = { bucket: "B", endpoint: "s3.example", region: "eu-1", access_key_id: "key" };
  const read = readExporterSettings({
    kind: "warehouse",
    settings: { format: "csv", prefix: "../up", target: { s3 } },
  });
  const problems = "problems" in read ? read.problems : [];
  expect(problems.map(({ pointer }) => pointer).toSorted()).toEqual([
    "/settings/format",
    "/settings/prefix",
    "/settings/target/s3/bucket",
    "/settings/target/s3/endpoint",
  ]);
  expect(problems).toContainEqual({
    pointer: "/settings/format",
    message: "Expected one of ndjson, parquet",
  });
  for (const { message } of problems) expect(message).not.toMatch(/\^|match|union/);
});
