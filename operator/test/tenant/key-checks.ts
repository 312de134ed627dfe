import { expect } from "bun:test";
import { governedKeyId } from "@payflow/contracts/internal-operator.ts";
import { hashApiKey } from "@payflow/service-kit/auth/api-key.ts";
import type { TenantHandle } from "./tenants.ts";

const entries = ["api-key", "test-api-key"].flatMap((name) => [name, `${name}-next`, `${name}-previous`]);

/**
 * What holds of a tenant's keys at any moment that nobody works at them: whatever is in use works, what works
 * is in the Secret, and there is one more at most than is wanted.
 */
export async function expectKeysInOrder(
  tenant: TenantHandle,
  { mayBeUnfinished = false }: { readonly mayBeUnfinished?: boolean } = {},
): Promise<void> {
  const found = await tenant.get();
  const secret = (await tenant.secret()) ?? {};
  const uid = found?.metadata.uid ?? "";
  const held = entries.flatMap((name) => {
    const key = secret[name];
    return key === undefined ? [] : [{ name, keyId: governedKeyId(uid, hashApiKey(key)) }];
  });
  const registered = await tenant.keysIfAny();
  const active = registered.filter((key) => key.is_active).map((key) => key.key_id);
  const heldIds = held.map(({ keyId }) => keyId);
  expect(active.filter((id) => !heldIds.includes(id))).toEqual([]);
  const inUse = held.filter(({ name }) => name === "api-key" || name === "test-api-key");
  expect(inUse.filter(({ keyId }) => !active.includes(keyId))).toEqual([]);
  if (mayBeUnfinished) return;
  expect(held.filter(({ name }) => name.endsWith("-next"))).toEqual([]);
  expect(inUse.length).toBe(found?.spec.mode === "both" ? 2 : 1);
  for (const { name } of inUse) expect(await tenant.ask(secret[name] ?? "")).toBe(200);
}

/** The key in use, which an app lets in. */
export async function usableKey(tenant: TenantHandle): Promise<string> {
  const key = await tenant.key();
  expect(await tenant.ask(key)).toBe(200);
  return key;
}

/** Asks all the time with the key that is in the Secret at that moment; `stop` tells when it was refused. */
export function probe(tenant: TenantHandle) {
  const failures: string[] = [];
  let isStopped = false;
  let asked = 0;
  const running = (async () => {
    while (!isStopped) {
      const key = (await tenant.secret())?.["api-key"];
      const status = key === undefined ? "no key" : await tenant.ask(key);
      asked += 1;
      if (status === "no key" || status === 401) failures.push(`${new Date().toISOString()}: ${status}`);
    }
  })();
  return {
    async stop(): Promise<string[]> {
      isStopped = true;
      await running;
      expect(asked).toBeGreaterThan(10);
      return failures;
    },
  };
}
