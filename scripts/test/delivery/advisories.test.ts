import { expect, test } from "bun:test";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { auditLockFile, graveOnes, readAudit } from "./advisories.ts";

const audit = auditLockFile(repositoryRoot);

test.skipIf(audit === null)(
  "no package of the lock file has a grave hole that is known (needs the registry's advisory source)",
  () => expect(graveOnes(audit ?? [])).toEqual([]),
);

test("a grave hole is found, and one that is not grave stops nothing", () => {
  const url = "https://example.com/advisory";
  const answer = {
    "left-pad": [{ id: 1, url, title: "Pads without end", severity: "critical", vulnerable_versions: "<2" }],
    "right-pad": [{ id: 2, url, title: "Pads slowly", severity: "low", vulnerable_versions: "<2" }],
  };
  const advisories = readAudit(JSON.stringify(answer));
  expect(advisories).toHaveLength(2);
  expect(graveOnes(advisories ?? [])).toEqual([
    { package: "left-pad", severity: "critical", title: "Pads without end", url },
  ]);
});

test("no answer is not taken for a good one", () => {
  expect(readAudit("")).toBeNull();
  expect(readAudit("error: POST /-/npm/v1/security/advisories/bulk - 405")).toBeNull();
  expect(readAudit("{}")).toEqual([]);
});
