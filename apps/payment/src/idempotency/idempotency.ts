import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";

/** What a request with an Idempotency-Key is remembered by. */
export interface RequestKey {
  /** Digest of tenant, mode, concrete path and key. */
  readonly id: string;
  /** Four bytes for each of `fields`, in their order. */
  readonly fingerprint: Uint8Array;
  /** The body's possible fields. Append only: stored fingerprints stand in this order for 30 days. */
  readonly fields: readonly string[];
}

/** An answer as it was first sent, or is to be sent. */
export interface StoredAnswer {
  readonly status: 200 | 201 | 202 | 402;
  /** The body's exact text. */
  readonly body: string;
}

/** What the table holds for a key that another request used before. */
export interface KnownRequest {
  readonly subject: string;
  readonly fingerprint: Uint8Array;
  /** Null while the first request is open. */
  readonly answer: StoredAnswer | null;
}

/** A row as the driver gives it. */
export interface KnownRow {
  readonly subject: string;
  readonly fingerprint: Uint8Array;
  readonly status: StoredAnswer["status"] | null;
  readonly answer: string | null;
}

/** The stored row as what is known of a request. */
export function toKnown(row: KnownRow): KnownRequest {
  const { status, answer } = row;
  return {
    subject: row.subject,
    fingerprint: row.fingerprint,
    answer: status === null || answer === null ? null : { status, body: answer },
  };
}

const wellFormedKey = /^[!-~]{1,255}$/;

/** The key of a request. Throws `idempotency_key_required` when the header is missing or malformed. */
export function requestKey(
  tenant: Pick<TenantContext, "tenantId" | "mode">,
  path: string,
  header: string | null,
  body: Readonly<Record<string, unknown>>,
  fields: readonly string[],
): RequestKey {
  if (header === null || !wellFormedKey.test(header)) throw new DomainError("idempotency_key_required");
  const scope = `${tenant.tenantId}\n${tenant.mode}\n${path}\n${header}`;
  const digest = new Bun.CryptoHasher("sha256").update(scope).digest("hex");
  return { id: digest.slice(0, 32), fingerprint: fingerprint(body, fields), fields };
}

/** Four bytes of hash for each field; zero stands for a field left out. The order of keys does not matter. */
export function fingerprint(body: Readonly<Record<string, unknown>>, fields: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(fields.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, field] of fields.entries()) {
    const value = body[field];
    // The lowest bit is set, so that no value counts as left out.
    if (value !== undefined) view.setUint32(index * 4, (Bun.hash.xxHash32(canonical(value)) | 1) >>> 0);
  }
  return bytes;
}

/** JSON text that is the same for equal values, whatever the order of an object's keys. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  const pairs = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${pairs.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(",")}}`;
}

/** Names of the fields that differ. A field added since the first request counts as left out there. */
export function changedFields(first: Uint8Array, now: Uint8Array, fields: readonly string[]): string[] {
  return fields.filter((_, index) => {
    for (let at = index * 4; at < index * 4 + 4; at += 1) {
      if ((first[at] ?? 0) !== (now[at] ?? 0)) return true;
    }
    return false;
  });
}

/**
 * The first answer, for a request whose key was used before. Throws `idempotency_key_reused` for another body
 * and `idempotency_in_progress` while the first request is open.
 */
export function replay(known: KnownRequest, key: RequestKey): StoredAnswer {
  const changed = changedFields(known.fingerprint, key.fingerprint, key.fields);
  if (changed.length > 0) {
    throw new DomainError("idempotency_key_reused", undefined, {
      errors: changed.map((field) => ({ pointer: `/${field}`, message: "Differs from the first request" })),
    });
  }
  if (known.answer === null) {
    throw new DomainError("idempotency_in_progress", undefined, { headers: { "retry-after": "1" } });
  }
  return known.answer;
}

/** The HTTP response of a stored answer. */
export function answerResponse(answer: StoredAnswer, isReplay: boolean): Response {
  return new Response(answer.body, {
    status: answer.status,
    headers: isReplay ? replayHeaders : jsonHeaders,
  });
}

const jsonHeaders = { "content-type": "application/json" };
const replayHeaders = { ...jsonHeaders, "idempotent-replayed": "true" };
