import type { Mode, Scope } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { hashApiKey, makeApiKey, shownParts } from "@payflow/service-kit/auth/api-key.ts";
import type { ApiKeyRow } from "../schema.ts";
import type { Transaction } from "../transaction.ts";
import type { ApiKeyStore } from "./api-keys.store.ts";
import { currentValue, type KeySecrets } from "./stored-value.ts";

export interface IssueKey {
  readonly keys: ApiKeyStore;
  readonly secrets: KeySecrets;
}

export interface KeyToIssue {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: Date | null;
}

/** A key with its value, which is known only here and never stored. */
export interface IssuedKey {
  readonly row: ApiKeyRow;
  readonly apiKey: string;
}

/** Makes a key within the caller's transaction. Whether it may be made was decided before. */
export async function issueKey(
  deps: IssueKey,
  transaction: Transaction,
  key: KeyToIssue,
): Promise<IssuedKey> {
  const apiKey = makeApiKey(key.mode);
  const row = await deps.keys.insert(transaction, {
    ...key,
    scopes: [...key.scopes],
    keyId: newId("key"),
    ...shownParts(apiKey),
  });
  await deps.keys.addValue(transaction, {
    keyId: row.keyId,
    ...currentValue(deps.secrets, hashApiKey(apiKey)),
  });
  return { row, apiKey };
}
