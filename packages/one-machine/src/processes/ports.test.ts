import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { isPortFree, releasePortBase, reservePort, reservePortBase } from "./ports.ts";

test("reserved blocks of ports never overlap, and a released one may be had again", async () => {
  const bases = await Promise.all(Array.from({ length: 5 }, reservePortBase));
  const ports = bases.flatMap((base) => [base, base + 1_000, base + 2_000, base + 2_099]);
  expect(new Set(ports).size).toBe(ports.length);
  for (const base of bases) releasePortBase(base);
});

test("single reserved ports differ and are free", async () => {
  const ports = await Promise.all([reservePort(), reservePort(), reservePort()]);
  expect(new Set(ports).size).toBe(3);
  for (const port of ports) expect(await isPortFree(port)).toBe(true);
});

test("a port with a listener is taken, also when that one would share it", async () => {
  const port = await reservePort();
  const plain = createServer();
  await new Promise<void>((resolve) => plain.listen(port, "127.0.0.1", resolve));
  expect(await isPortFree(port)).toBe(false);
  await new Promise((resolve) => plain.close(resolve));
  const sharing = Bun.serve({ port, hostname: "127.0.0.1", reusePort: true, fetch: () => new Response() });
  expect(await isPortFree(port)).toBe(false);
  await sharing.stop(true);
});
