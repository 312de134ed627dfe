import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type DatabaseDefinition, ownerRole, serviceRole } from "../stores/databases.ts";
import { writeWhole } from "./state.ts";

/** Made once for an installation and kept in its state folder, readable by its owner alone. */
export interface Secrets {
  readonly installationId: string;
  readonly adminToken: string;
  readonly internalServiceSecret: string;
  readonly apiKeySecret: string;
  readonly webhookEncryptionKey: string;
  readonly postgresPassword: string;
  readonly cacheRedisPassword: string;
  readonly durableRedisPassword: string;
  readonly kafkaPassword: string;
  readonly rolePasswords: Readonly<Record<string, string>>;
}

/**
 * Reads the secrets of a state folder and makes those that are missing; also writes the file with the admin
 * token.
 */
export function loadSecrets(state: string, databases: readonly DatabaseDefinition[]): Secrets {
  const file = path.join(state, "secrets.json");
  const kept: Partial<Secrets> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const roles = databases.flatMap(({ name }) => [ownerRole(name), serviceRole(name)]);
  const secrets: Secrets = {
    installationId: kept.installationId ?? hex(8),
    adminToken: kept.adminToken ?? `pfa_${hex(24)}`,
    internalServiceSecret: kept.internalServiceSecret ?? hex(32),
    apiKeySecret: kept.apiKeySecret ?? hex(32),
    webhookEncryptionKey: kept.webhookEncryptionKey ?? randomBytes(32).toString("base64"),
    postgresPassword: kept.postgresPassword ?? hex(24),
    cacheRedisPassword: kept.cacheRedisPassword ?? hex(24),
    durableRedisPassword: kept.durableRedisPassword ?? hex(24),
    kafkaPassword: kept.kafkaPassword ?? hex(24),
    rolePasswords: {
      ...Object.fromEntries(roles.map((role) => [role, hex(24)])),
      ...kept.rolePasswords,
    },
  };
  writeWhole(file, `${JSON.stringify(secrets, null, 2)}\n`);
  writeFileSync(adminTokenFile(state), `${secrets.adminToken}\n`, { mode: 0o600 });
  return secrets;
}

export const adminTokenFile = (state: string) => path.join(state, "admin-token");

function hex(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}
