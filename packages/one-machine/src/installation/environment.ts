import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { operatorNamespace } from "../cluster/cluster.ts";
import { databaseName, ownerRole, serviceRole } from "../stores/databases.ts";
import { postgresUrl } from "../stores/postgres.ts";
import { redisUrl } from "../stores/redis.ts";
import { type AppDefinition, operator, type Platform } from "./apps.ts";
import type { PortPlan } from "./port-plan.ts";
import type { Secrets } from "./secrets.ts";

export interface Wiring {
  readonly platform: Platform;
  readonly ports: PortPlan;
  readonly secrets: Secrets;
  /** Redis when left out. */
  readonly bus?: BusName;
}

/** A database's URL as its service role, its owner, or the server's superuser. */
export function databaseUrl(
  { ports, secrets }: Wiring,
  name: string,
  as: "service" | "owner" | "superuser",
): string {
  const server = { port: ports.postgres };
  if (as === "superuser")
    return postgresUrl(server, "postgres", secrets.postgresPassword, databaseName(name));
  const role = as === "owner" ? ownerRole(name) : serviceRole(name);
  return postgresUrl(server, role, secrets.rolePasswords[role] ?? "", databaseName(name));
}

/** Where the installation's cache Redis listens, with its password. */
export function cacheRedisUrl({ ports, secrets }: Wiring): string {
  return redisUrl({ port: ports.cacheRedis, password: secrets.cacheRedisPassword });
}

/** Where the installation's durable Redis listens, with its password. */
export function durableRedisUrl({ ports, secrets }: Wiring): string {
  return redisUrl({ port: ports.durableRedis, password: secrets.durableRedisPassword });
}

/** The environment of one replica, counted from 1. Each app gets only the secrets that it uses. */
export function appEnvironment(wiring: Wiring, app: AppDefinition, replica: number): Record<string, string> {
  const { platform, ports, secrets } = wiring;
  return {
    ...inherited(),
    TZ: "UTC",
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: `${ports.public(app)}`,
    INTERNAL_PORT: `${ports.internal(app)}`,
    REPLICA_PORT: `${ports.replica(app, replica)}`,
    REDIS_URL: cacheRedisUrl(wiring),
    DURABLE_REDIS_URL: durableRedisUrl(wiring),
    ...busEnvironment(wiring),
    INSTALLED_APPS: platform.apps.map((one) => one.name).join(","),
    INTERNAL_SERVICE_SECRET: secrets.internalServiceSecret,
    ADMIN_TOKEN: secrets.adminToken,
    ...serviceUrls(platform, ports),
    ...(platform.databases.some((one) => one.name === app.name)
      ? { DATABASE_URL: databaseUrl(wiring, app.name, "service") }
      : {}),
    ...ownSettings(wiring, app),
  };
}

/** The environment of the operator, which comes into the cluster by this kubeconfig. */
export function operatorEnvironment(
  { platform, ports, secrets }: Wiring,
  kubeconfig: string,
): Record<string, string> {
  return {
    ...inherited(),
    TZ: "UTC",
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    INTERNAL_PORT: `${ports.replica(operator, 1)}`,
    KUBECONFIG: kubeconfig,
    OPERATOR_NAMESPACE: operatorNamespace,
    POD_NAME: `${operator.name}-1`,
    INTERNAL_SERVICE_SECRET: secrets.internalServiceSecret,
    ...serviceUrls(platform, ports),
  };
}

/** The name that the apps give to Kafka. */
export const kafkaUser = "payflow";

function serviceUrls(platform: Platform, ports: PortPlan): Record<string, string> {
  return Object.fromEntries(
    platform.apps.map((one) => [
      `${one.name.toUpperCase()}_SERVICE_URL`,
      `http://127.0.0.1:${ports.internal(one)}`,
    ]),
  );
}

function busEnvironment({ ports, secrets, bus = "redis" }: Wiring): Record<string, string> {
  if (bus === "redis") return { EVENT_BUS: "redis" };
  return {
    EVENT_BUS: "kafka",
    KAFKA_BROKERS: `127.0.0.1:${ports.kafka}`,
    // There is one broker to keep copies on.
    KAFKA_REPLICATION: "1",
    KAFKA_SASL_MECHANISM: "scram-sha-512",
    KAFKA_SASL_USERNAME: kafkaUser,
    KAFKA_SASL_PASSWORD: secrets.kafkaPassword,
  };
}

function ownSettings(wiring: Wiring, app: AppDefinition): Record<string, string> {
  switch (app.name) {
    case "tenant":
      return {
        API_KEY_SECRET: wiring.secrets.apiKeySecret,
        API_KEY_SECRET_VERSION: "1",
        TENANT_REGISTRATION: "open",
      };
    case "payment":
      return {
        FRAUD_TIMEOUT_MS: "1000",
        PROCESSOR: "simulated",
        PROCESSOR_DATABASE_URL: databaseUrl(wiring, "processor", "service"),
      };
    case "notifier":
      return {
        WEBHOOK_ENCRYPTION_KEY: wiring.secrets.webhookEncryptionKey,
        WEBHOOK_ALLOW_PRIVATE: "true",
      };
    default:
      return {};
  }
}

/** What an app takes over from whoever ran the command: where things are, and how much it says. */
function inherited(): Record<string, string> {
  const names = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LOG_LEVEL",
    "NODE_EXTRA_CA_CERTS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}
