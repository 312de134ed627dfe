import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import { writeWhole } from "../../installation/state.ts";
import type { ProcessSpec } from "../../processes/child.ts";
import {
  createDatabase,
  createRoles,
  databaseName,
  ownerRole,
  platformDatabases,
  serviceRole,
} from "../../stores/databases.ts";
import { kafkaProcess } from "../../stores/kafka/kafka.ts";
import { initializePostgres, postgresProcess, postgresUrl } from "../../stores/postgres.ts";
import { type RedisKind, redisProcess } from "../../stores/redis.ts";
import { nodeAddress, stateInside, storePorts } from "./node-address.ts";

/** The stores beside a node, in its network; none of their passwords ever changes. */
export interface StorePasswords {
  /** Of PostgreSQL's superuser `postgres`. */
  readonly postgres: string;
  /** Of PostgreSQL's roles, by their names. */
  readonly roles: Readonly<Record<string, string>>;
  readonly cacheRedis: string;
  readonly durableRedis: string;
}

/** What a pod reaches the stores by. */
export interface StoreAddresses {
  /** By the database's name: `payment`. */
  readonly databases: Readonly<Record<string, { readonly owner: string; readonly service: string }>>;
  readonly postgres: string;
  readonly cacheRedis: string;
  readonly durableRedis: string;
  readonly kafkaBrokers: string;
}

/** The passwords in a cluster's folder, made at the first call. */
export function storePasswords(folder: string): StorePasswords {
  const file = passwordsFile(folder);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const password = () => randomBytes(24).toString("hex");
  const roles = platformDatabases.flatMap(({ name }) => [ownerRole(name), serviceRole(name)]);
  const made: StorePasswords = {
    postgres: password(),
    roles: Object.fromEntries(roles.map((role) => [role, password()])),
    cacheRedis: password(),
    durableRedis: password(),
  };
  writeWhole(file, JSON.stringify(made));
  return made;
}

/** URLs of the stores, with passwords, as they are inside the network. */
function storeAddresses(passwords: StorePasswords): StoreAddresses {
  const url = (role: string, password: string, database: string) =>
    `postgres://${role}:${password}@${nodeAddress}:${storePorts.postgres}/${database}`;
  const of = (role: string, name: string) => url(role, passwords.roles[role] ?? "", databaseName(name));
  const databases = platformDatabases.map(({ name }) => [
    name,
    { owner: of(ownerRole(name), name), service: of(serviceRole(name), name) },
  ]);
  return {
    databases: Object.fromEntries(databases),
    postgres: url("postgres", passwords.postgres, "postgres"),
    cacheRedis: `redis://:${passwords.cacheRedis}@${nodeAddress}:${storePorts.cacheRedis}`,
    durableRedis: `redis://:${passwords.durableRedis}@${nodeAddress}:${storePorts.durableRedis}`,
    kafkaBrokers: `${nodeAddress}:${storePorts.kafka}`,
  };
}

/** The addresses of the stores of the cluster in this folder. Throws where none has been started. */
export function storeAddressesOf(folder: string): StoreAddresses {
  const file = passwordsFile(folder);
  if (!existsSync(file))
    throw new Error("There are no stores yet: they come with ./payflow cluster up --node.");
  return storeAddresses(storePasswords(folder));
}

const passwordsFile = (folder: string) => path.join(folder, "node/store-passwords.json");

/** How the stores are run inside, on the node's address too; makes PostgreSQL's folder at the first call. */
export function storeProcesses(folder: string, passwords: StorePasswords, isDurable: boolean): ProcessSpec[] {
  const logFile = (name: string) => path.join(folder, "logs", `${name}.log`);
  const data = (name: string) => path.join(stateInside, "node", name);
  const redis = (kind: RedisKind) =>
    redisProcess({
      name: `redis-${kind}`,
      kind,
      dataDirectory: data(`redis-${kind}`),
      port: kind === "cache" ? storePorts.cacheRedis : storePorts.durableRedis,
      password: kind === "cache" ? passwords.cacheRedis : passwords.durableRedis,
      logFile: logFile(`redis-${kind}`),
      settings: [`bind 127.0.0.1 ${nodeAddress}`],
    });
  const dataDirectory = data("postgres");
  preparePostgres(dataDirectory, passwords.postgres, isDurable);
  const settings = { listen_addresses: `127.0.0.1,${nodeAddress}` };
  const own = { dataDirectory, port: storePorts.postgres, password: passwords.postgres, settings, isDurable };
  return [
    postgresProcess({ ...own, logFile: logFile("postgres") }),
    redis("cache"),
    redis("durable"),
    kafka(data("kafka"), logFile("kafka"), isDurable),
  ];
}

function preparePostgres(dataDirectory: string, password: string, isDurable: boolean): void {
  initializePostgres(dataDirectory, password, isDurable);
  // What is made lets in this machine alone; pods come by addresses of their own.
  const file = path.join(dataDirectory, "pg_hba.conf");
  const line = "host all all 10.0.0.0/8 scram-sha-256\n";
  if (!readFileSync(file, "utf8").includes(line)) appendFileSync(file, line);
}

function kafka(dataDirectory: string, logFile: string, isDurable: boolean): ProcessSpec {
  const quorum = storePorts.kafka + 1;
  return kafkaProcess({
    ...{ name: "kafka", nodeId: 1, dataDirectory, logFile, isDurable },
    listeners: { PLAIN: storePorts.kafka },
    voters: new Map([[1, quorum]]),
    startsLightly: !isDurable,
    settings: {
      listeners: `PLAIN://0.0.0.0:${storePorts.kafka},CONTROLLER://127.0.0.1:${quorum}`,
      "advertised.listeners": `PLAIN://${nodeAddress}:${storePorts.kafka}`,
    },
  });
}

/** Makes the roles and databases of all apps that are missing; what is in them, migrations make. */
export async function makeDatabases(passwords: StorePasswords): Promise<void> {
  const server = { port: storePorts.postgres };
  const url = postgresUrl(server, "postgres", passwords.postgres, "postgres");
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await createRoles(sql, Object.keys(passwords.roles), passwords.roles);
    for (const { name } of platformDatabases) await createDatabase(sql, databaseName(name), name);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
