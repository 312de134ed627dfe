import { createHmac } from "node:crypto";
import { ConfigError } from "@payflow/service-kit/process/config.ts";

/** The secrets under which keys are stored, by version. New keys are stored under the current one. */
export interface KeySecrets {
  readonly current: number;
  readonly byVersion: ReadonlyMap<number, string>;
}

/** Reads `VERSION:SECRET,VERSION:SECRET`. Throws `ConfigError` where a version stands twice. */
export function keySecrets(current: { version: number; secret: string }, previous = ""): KeySecrets {
  const byVersion = new Map([[current.version, current.secret]]);
  for (const entry of previous.split(",").filter((text) => text !== "")) {
    const colon = entry.indexOf(":");
    const version = Number(entry.slice(0, colon));
    if (byVersion.has(version)) {
      throw new ConfigError([`API_KEY_PREVIOUS_SECRETS names the version ${version} a second time`]);
    }
    byVersion.set(version, entry.slice(colon + 1));
  }
  return { current: current.version, byVersion };
}

/** By what a key is recognized: HMAC-SHA-256 (RFC 2104) over the SHA-256 of the key, in hex. */
export function storedValue(secret: string, keySha256: string): string {
  return createHmac("sha256", secret).update(Buffer.from(keySha256, "hex")).digest("hex");
}

/** The value under the current secret, with its version. */
export function currentValue(secrets: KeySecrets, keySha256: string) {
  const secret = secrets.byVersion.get(secrets.current);
  if (secret === undefined) throw new Error("the current version has no secret");
  return { storedValue: storedValue(secret, keySha256), secretVersion: secrets.current };
}
