import path from "node:path";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { PortPlan } from "@payflow/one-machine/installation/port-plan.ts";
import { adminTokenFile } from "@payflow/one-machine/installation/secrets.ts";
import type { Settings } from "@payflow/one-machine/installation/state.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { stateFlag } from "../commands/state-option.ts";
import { hasTenants } from "./has-tenants.ts";

const exampleTenant = path.join(repositoryRoot, "examples/resources/tenant.yaml");

/**
 * What a user wants to know about a running installation: where it answers, the admin token, and while there
 * is no tenant, what to do next.
 */
export async function summary(state: string, settings: Settings): Promise<string> {
  const { portBase, replicas, bus, operator } = settings;
  const ports = new PortPlan(portBase);
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const width = Math.max(...platform.apps.map(({ name }) => name.length)) + 2;
  const apps = [...platform.apps].sort((one, other) => one.place - other.place);
  const flag = stateFlag(state);
  const tenant = platform.apps.find(({ name }) => name === "tenant");
  return [
    `PayFlow runs${replicas > 1 ? ` with ${replicas} replicas of each app` : ""}:`,
    ...apps.map(
      (app) => `  ${app.name.padEnd(width)}${url(ports.public(app))}   docs: ${url(ports.public(app))}/docs`,
    ),
    ...(bus === "kafka" ? [`  events:      Kafka at 127.0.0.1:${ports.kafka}`] : []),
    `  admin token: ${adminTokenFile(state)}`,
    `  logs:        ./payflow logs${flag}     stop: ./payflow down${flag}`,
    ...(tenant === undefined || (await hasTenants(state, settings))
      ? []
      : operator
        ? ["Next, apply a tenant:", `  kubectl apply -f ${Bun.$.escape(exampleTenant)}`]
        : [
            "Next, register a tenant:",
            `  curl -s ${url(ports.public(tenant))}/tenants/register -H 'content-type: application/json' \\`,
            `    -d '{"name": "Acme", "email": "owner@acme.example"}'`,
          ]),
  ].join("\n");
}
