import { expect, test } from "bun:test";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

test("the demo's story holds from the first step to the last", async () => {
  const child = Bun.spawn([path.join(repositoryRoot, "payflow"), "demo"], {
    env: { ...process.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const output = await new Response(child.stdout).text();
  expect(output).toMatch(/\n\d{2} steps, all held\.\n$/);
  expect(await child.exited).toBe(0);
  for (const words of [
    "fraud_blocked",
    "refund_exceeds_captured",
    "tenant_payable",
    "all signed rightly",
    "is a dead letter after 5 tries",
    "without a gap",
  ]) {
    expect(output).toContain(words);
  }
}, 180_000);
