import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startSideProcess } from "./side-process.ts";

const folder = mkdtempSync(path.join(tmpdir(), "payflow-side-process-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(text: string): string {
  const file = path.join(folder, `${crypto.randomUUID()}.ts`);
  writeFileSync(file, text);
  return file;
}

test("a side process may log before it tells its port, reads its order, and is gone once stopped", async () => {
  const side = await startSideProcess(
    program(`
      const order = JSON.parse(await Bun.stdin.text());
      console.log('{"level":"warn"}');
      const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => Response.json(order) });
      console.log(server.port);
    `),
    { given: 1 },
  );
  expect(await side.ask<unknown>("/")).toEqual({ given: 1 });
  await side.stop();
  expect(() => process.kill(side.pid, 0)).toThrow("ESRCH");
});

test("a side process that ends without a port has not started", () => {
  expect(startSideProcess(program("console.log('no port');"))).rejects.toThrow("did not start");
});
