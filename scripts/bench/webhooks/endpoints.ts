import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import type { BenchTenant } from "../tenants.ts";

export interface Endpoint {
  readonly url: string;
  readonly secret: string;
}

/** An endpoint of the tenant's for settled payments. */
export async function makeEndpoint(
  installation: RunningInstallation,
  { apiKey }: BenchTenant,
  url: string,
): Promise<Endpoint> {
  const answer = await fetch(`${installation.url("notifier")}/webhook-endpoints`, {
    method: "POST",
    headers: { "x-api-key": apiKey, "content-type": "application/json" },
    body: JSON.stringify({ url, events: ["payment.settled"] }),
  });
  if (!answer.ok) throw new Error(`making an endpoint answered ${answer.status}: ${await answer.text()}`);
  // The contract of this route names the secret.
  const { signing_secret: secret } = (await answer.json()) as { signing_secret: string };
  return { url, secret };
}
