import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { type IssueKey, issueKey } from "../api-keys/issue-key.ts";
import type { TenantRow } from "../schema.ts";
import type { Transact } from "../transaction.ts";
import { tenantChanged } from "./tenant-event.ts";
import type { RegisterBody } from "./tenants.contract.ts";
import type { TenantStore } from "./tenants.store.ts";

export interface RegisterTenant extends IssueKey {
  readonly transact: Transact;
  readonly tenants: TenantStore;
  /** Tells the relay that an event was committed. */
  readonly announce: () => void;
}

export interface Registration {
  readonly tenant: TenantRow;
  readonly liveKey: string;
  readonly testKey: string;
}

/** Makes a tenant with a live and a test key, both with every scope. */
export async function registerTenant(
  deps: RegisterTenant,
  request: RegisterBody,
  requestId: string,
): Promise<Registration> {
  const registration = await deps.transact(async (transaction) => {
    const tenantId = newId("ten");
    const tenant = await deps.tenants.insert(transaction, { tenantId, ...request, limits: defaultLimits });
    const issue = (mode: "live" | "test") =>
      issueKey(deps, transaction, { tenantId, mode, name: `First ${mode} key`, scopes, expiresAt: null });
    const live = await issue("live");
    const test = await issue("test");
    await deps.tenants.addEvent(transaction, tenantChanged(tenant, "registered", requestId));
    return { tenant, liveKey: live.apiKey, testKey: test.apiKey };
  });
  deps.announce();
  return registration;
}
