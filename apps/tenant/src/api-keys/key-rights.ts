import type { Scope, TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";

/**
 * A key acts only on keys that may do no more than itself. Fails with `insufficient_scope`, naming what is
 * too much.
 */
export function requireWithin(context: Pick<TenantContext, "scopes">, wanted: readonly Scope[]): void {
  const beyond = wanted.filter((scope) => !context.scopes.includes(scope));
  if (beyond.length === 0) return;
  throw new DomainError("insufficient_scope", `The key itself does not have ${beyond.join(", ")}.`);
}
