import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { ExporterCatalog } from "../catalog/catalog.ts";

/** A trouble that lasts is told again after so long. */
const againMs = 5_000;

/**
 * Keeps note of what an exporter waits for, where admins see it: once when it begins, then now and then, and
 * once when it is over. Told without an error, it is over. A tenant's own target is told of by the tenant.
 */
export function troubleNotes(deps: {
  readonly name: string;
  readonly catalog: Pick<ExporterCatalog, "setTrouble">;
  readonly logger: Logger;
}): (error: unknown, tenantId?: string) => void {
  const { name, catalog, logger } = deps;
  /** By tenant: since when and when last told, or null where all is well. */
  const known = new Map<string, { readonly since: string; readonly toldAt: number } | null>();
  const set = (tenantId: string, trouble: Parameters<ExporterCatalog["setTrouble"]>[2]) => {
    catalog.setTrouble(name, tenantId, trouble).catch((failure: unknown) => {
      logger.debug({ err: failure, exporter: name }, "an exporter's trouble could not be noted");
    });
  };
  return (error, tenantId = "") => {
    const before = known.get(tenantId);
    if (error === null) {
      // The first time too: a process that was killed may have left its note.
      if (before !== null) set(tenantId, null);
      known.set(tenantId, null);
      return;
    }
    const now = performance.now();
    if (before && now - before.toldAt < againMs) return;
    const since = before?.since ?? new Date().toISOString();
    known.set(tenantId, { since, toldAt: now });
    set(tenantId, { message: describe(error), since });
  };
}

/** What went wrong, for an admin: the code that a store gives its refusal says more than its sentence. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 300);
  const code = "code" in error && typeof error.code === "string" ? `${error.code}: ` : "";
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${code}${error.message}${cause}`.slice(0, 300);
}
