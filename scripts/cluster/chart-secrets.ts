import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { storeAddressesOf } from "@payflow/one-machine/cluster/node/node-stores.ts";
import { writeWhole } from "@payflow/one-machine/installation/state.ts";

/**
 * The Secrets that the chart asks for, as a List for `kubectl apply`: the stores of the cluster in this
 * folder, and what the platform signs and encrypts with, made at the first call. Throws where there are no
 * stores.
 */
export function chartSecrets(folder: string): unknown {
  const { databases, cacheRedis, durableRedis } = storeAddressesOf(folder);
  const ofDatabases = Object.entries(databases).flatMap(([name, { service, owner }]) => [
    [`${name}-url`, service],
    [`${name}-owner-url`, owner],
  ]);
  const secret = (name: string, stringData: unknown) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name },
    stringData,
  });
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      secret("payflow-platform", platformSecrets(folder)),
      secret("payflow-postgresql", Object.fromEntries(ofDatabases)),
      secret("payflow-redis", { "cache-url": cacheRedis, "durable-url": durableRedis }),
    ],
  };
}

/** Others would make what stands encrypted in the databases unreadable, so that they are kept. */
function platformSecrets(folder: string): Record<string, string> {
  const file = path.join(folder, "node/platform-secrets.json");
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const made = {
    "internal-service-secret": randomBytes(32).toString("hex"),
    "admin-token": `pfa_${randomBytes(24).toString("hex")}`,
    "api-key-secret": randomBytes(32).toString("hex"),
    "webhook-encryption-key": randomBytes(32).toString("base64"),
  };
  writeWhole(file, JSON.stringify(made));
  return made;
}
