import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";

/** A secret as it is stored: nonce, ciphertext and tag, and which key it was sealed with. */
export interface SealedSecret {
  readonly sealed: Uint8Array;
  readonly keyId: string;
}

export interface SecretBox {
  /** Seals for one endpoint: the same bytes moved to another endpoint do not open. */
  seal(endpointId: string, secret: string): SealedSecret;
  /** Throws when the key is not known or the bytes are not what was sealed for this endpoint. */
  open(endpointId: string, sealed: SealedSecret): string;
}

interface Key {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/**
 * AES-256-GCM under a key derived from the given text by HKDF. New secrets are sealed with the first key; the
 * others only open what was sealed before the key was changed.
 */
export function createSecretBox(keyTexts: readonly [string, ...string[]]): SecretBox {
  const [current, ...older] = keyTexts;
  const newest = deriveKey(current);
  const keys = new Map([newest, ...older.map(deriveKey)].map((key) => [key.id, key]));
  return {
    seal(endpointId, secret) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", newest.bytes, nonce).setAAD(Buffer.from(endpointId));
      const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      return { sealed: Buffer.concat([nonce, text, cipher.getAuthTag()]), keyId: newest.id };
    },
    open(endpointId, { sealed, keyId }) {
      const key = keys.get(keyId);
      if (key === undefined) throw new Error(`no encryption key has the id ${keyId}`);
      const bytes = Buffer.from(sealed);
      const decipher = createDecipheriv("aes-256-gcm", key.bytes, bytes.subarray(0, 12));
      decipher.setAAD(Buffer.from(endpointId)).setAuthTag(bytes.subarray(-16));
      return decipher.update(bytes.subarray(12, -16), undefined, "utf8") + decipher.final("utf8");
    },
  };
}

function deriveKey(text: string): Key {
  const bytes = new Uint8Array(hkdfSync("sha256", text, "", "payflow webhook secrets v1", 32));
  return { bytes, id: createHash("sha256").update(bytes).digest("hex").slice(0, 12) };
}
