import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { findLoggedSecrets } from "./logged-secrets.ts";
import { loadSecrets } from "./secrets.ts";

test("a secret in any log is found and named by file and line, not by its value", () => {
  const state = mkdtempSync(path.join(tmpdir(), "payflow-logs-"));
  try {
    mkdirSync(path.join(state, "logs"));
    const secrets = loadSecrets(state, [{ name: "payment", migrations: "none" }]);
    const write = (lines: string[]) =>
      writeFileSync(path.join(state, "logs/payment-1.log"), lines.join("\n"));
    write(["listening", `installation ${secrets.installationId}`, "the key pfk_live_[secret]"]);
    expect(findLoggedSecrets(state, secrets)).toEqual([]);
    const key = `pfk_test_${"0".repeat(38)}`;
    write(["listening", key, `bearer ${secrets.adminToken}`, `${secrets.rolePasswords.payment_owner}`]);
    const found = findLoggedSecrets(state, secrets);
    expect(found).toEqual([
      "payment-1.log:2 shows an API key",
      "payment-1.log:3 shows adminToken",
      "payment-1.log:4 shows payment_owner",
    ]);
  } finally {
    rmSync(state, { recursive: true });
  }
});
