import { readFileSync } from "node:fs";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { PortPlan } from "@payflow/one-machine/installation/port-plan.ts";
import { adminTokenFile } from "@payflow/one-machine/installation/secrets.ts";
import type { Settings } from "@payflow/one-machine/installation/state.ts";
import { direct } from "@payflow/service-kit/http/internal-client.ts";

const patienceMs = 2_000;

/** Whether a tenant has been registered with a running installation; false where its app does not say. */
export async function hasTenants(state: string, { portBase }: Settings): Promise<boolean> {
  const tenant = platform.apps.find(({ name }) => name === "tenant");
  if (tenant === undefined) return false;
  try {
    const answer = await fetch(`http://127.0.0.1:${new PortPlan(portBase).public(tenant)}/tenants?limit=1`, {
      headers: { authorization: `Bearer ${readFileSync(adminTokenFile(state), "utf8").trim()}` },
      signal: AbortSignal.timeout(patienceMs),
      ...direct,
    });
    const { data } = (await answer.json()) as { data?: unknown }; // Looked at before it is used.
    return Array.isArray(data) && data.length > 0;
  } catch {
    return false;
  }
}
