import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";

export interface BenchTenant {
  readonly tenantId: string;
  readonly apiKey: string;
}

const raised = {
  requests_per_second: 1_000_000,
  burst: 2_000_000,
  events_per_second: 1_000_000,
  monthly_events: null,
  max_payment_amount: null,
};

/**
 * Registers tenants and raises their limits, so that the benchmark measures the platform and not its guard.
 */
export async function registerTenants(
  installation: RunningInstallation,
  count: number,
): Promise<BenchTenant[]> {
  const base = installation.url("tenant");
  const admin = { authorization: `Bearer ${installation.adminToken}`, "content-type": "application/json" };
  const tenants: BenchTenant[] = [];
  for (let index = 0; index < count; index += 1) {
    const body = JSON.stringify({ name: `Bench ${index}`, email: `bench-${index}@example.com` });
    const made = await fetch(`${base}/tenants/register`, { method: "POST", headers: admin, body });
    if (made.status !== 201) throw new Error(`registration answered ${made.status}: ${await made.text()}`);
    // The contract names these fields of a registration.
    const { tenant_id, api_key } = (await made.json()) as { tenant_id: string; api_key: string };
    const limits = await fetch(`${base}/tenants/${tenant_id}/limits`, {
      method: "PUT",
      headers: admin,
      body: JSON.stringify(raised),
    });
    if (!limits.ok) throw new Error(`raising limits answered ${limits.status}: ${await limits.text()}`);
    tenants.push({ tenantId: tenant_id, apiKey: api_key });
  }
  return tenants;
}

/** Points a tenant's default webhook at a receiver. */
export async function setWebhook(
  installation: RunningInstallation,
  tenant: BenchTenant,
  url: string,
): Promise<void> {
  const answer = await fetch(`${installation.url("tenant")}/tenants/${tenant.tenantId}/webhook`, {
    method: "PUT",
    headers: { "x-api-key": tenant.apiKey, "content-type": "application/json" },
    body: JSON.stringify({ url }),
  });
  if (!answer.ok) throw new Error(`setting the webhook answered ${answer.status}: ${await answer.text()}`);
}
