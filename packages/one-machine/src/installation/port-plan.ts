import { isPortFree } from "../processes/ports.ts";
import { type AppDefinition, operator } from "./apps.ts";
import type { Settings } from "./state.ts";

export const mostReplicas = 8;

/** Every port of an installation, all on 127.0.0.1; the contract fixes the public and the internal ones. */
export class PortPlan {
  readonly base: number;

  constructor(base: number) {
    this.base = base;
  }

  public(app: AppDefinition): number {
    return this.base + app.place;
  }

  internal(app: AppDefinition): number {
    return this.base + 1_000 + app.place;
  }

  /** The port that one replica, counted from 1, serves its internal routes on alone. */
  replica(app: AppDefinition, replica: number): number {
    return this.base + 2_000 + 10 * replica + app.place;
  }

  get postgres(): number {
    return this.base + 2_000;
  }

  get cacheRedis(): number {
    return this.base + 2_001;
  }

  get durableRedis(): number {
    return this.base + 2_002;
  }

  get kafka(): number {
    return this.base + 2_003;
  }

  /** Where Kafka's quorum of one meets. */
  get kafkaQuorum(): number {
    return this.base + 2_004;
  }

  /** Every port with whom it is for. */
  all(apps: readonly AppDefinition[], settings: Omit<Settings, "portBase">): Map<number, string> {
    const { replicas, bus } = settings;
    const plan = new Map([
      [this.postgres, "PostgreSQL"],
      [this.cacheRedis, "the cache Redis"],
      [this.durableRedis, "the durable Redis"],
    ]);
    if (bus === "kafka") plan.set(this.kafka, "Kafka").set(this.kafkaQuorum, "Kafka's quorum");
    if (settings.operator) plan.set(this.replica(operator, 1), "the operator");
    for (const app of apps) {
      plan.set(this.public(app), `the ${app.name} app`);
      plan.set(this.internal(app), `the ${app.name} app's internal routes`);
      for (let replica = 1; replica <= replicas; replica += 1) {
        plan.set(this.replica(app, replica), `replica ${replica} of the ${app.name} app`);
      }
    }
    return plan;
  }
}

/** Refuses settings that no installation can run with, naming the flag. */
export function checkSettings({ portBase, replicas }: Settings): void {
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > mostReplicas) {
    throw new Error(`--replicas must be a whole number from 1 to ${mostReplicas}.`);
  }
  if (!Number.isInteger(portBase) || portBase < 1_024 || portBase > 65_535 - 2_100) {
    throw new Error("--port-base must be a whole number from 1024 to 63435.");
  }
}

/** Fails when a port that the settings need, and that is not among one's own, has another listener. */
export async function checkPorts(
  apps: readonly AppDefinition[],
  settings: Settings,
  own: ReadonlyMap<number, string>,
): Promise<void> {
  for (const [port, owner] of new PortPlan(settings.portBase).all(apps, settings)) {
    if (own.has(port) || (await isPortFree(port))) continue;
    throw new Error(
      `Port ${port}, meant for ${owner}, is taken by another program. ` +
        `End it, or choose other ports, for example: ./payflow up --port-base ${settings.portBase + 1_100}`,
    );
  }
}
