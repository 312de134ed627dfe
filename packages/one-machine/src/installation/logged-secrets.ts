import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Secrets } from "./secrets.ts";

/** Tenants' secrets, in the forms that only whole ones have. */
const forms: ReadonlyMap<string, RegExp> = new Map([
  ["an API key", /pfk_(?:live|test)_[0-9A-Za-z]{38}/],
  ["a signing secret", /whsec_[0-9A-Za-z+/]{43}=/],
]);

/** What of tenants' secrets a text shows, by name. */
export function tenantSecretsIn(text: string): string[] {
  return [...forms].filter(([, form]) => form.test(text)).map(([name]) => name);
}

/**
 * Searches the logs of a state folder for the installation's secrets and for tenants' keys. One line for each
 * finding, which names the file and line but not the secret.
 */
export function findLoggedSecrets(state: string, secrets: Secrets): string[] {
  const folder = path.join(state, "logs");
  if (!existsSync(folder)) return [];
  const values = secretValues(secrets);
  return readdirSync(folder).flatMap((name) =>
    readFileSync(path.join(folder, name), "utf8")
      .split("\n")
      .flatMap((line, index) => findings(line, values).map((what) => `${name}:${index + 1} shows ${what}`)),
  );
}

function findings(line: string, values: ReadonlyMap<string, string>): string[] {
  return [
    ...tenantSecretsIn(line),
    ...[...values].filter(([, value]) => line.includes(value)).map(([name]) => name),
  ];
}

/** The secrets by name; the id is none. */
function secretValues({ installationId: _, rolePasswords, ...secrets }: Secrets): Map<string, string> {
  return new Map([...Object.entries(secrets), ...Object.entries(rolePasswords)]);
}
