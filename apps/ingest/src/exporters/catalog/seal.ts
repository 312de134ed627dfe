import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/** Seals the secrets of exporters' targets before they are stored. */
export interface Seal {
  /** Seals for one purpose: the same text in another place does not open. */
  close(purpose: string, secret: string): string;
  /** Throws when it was not sealed with this key for this purpose. */
  open(purpose: string, sealed: string): string;
}

/** AES-256-GCM under a key derived by HKDF from the installation's internal secret. */
export function createSeal(internalSecret: string): Seal {
  const key = new Uint8Array(hkdfSync("sha256", internalSecret, "", "payflow exporter secrets v1", 32));
  return {
    close(purpose, secret) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(purpose));
      const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString("base64");
    },
    open(purpose, sealed) {
      const bytes = Buffer.from(sealed, "base64");
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
      decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-16));
      return decipher.update(bytes.subarray(12, -16), undefined, "utf8") + decipher.final("utf8");
    },
  };
}
