import { governedId } from "@payflow/contracts/internal-operator.ts";
import { InternalTenant, internalTenantPath } from "@payflow/contracts/internal-tenant.ts";
import { isForced, isPaused } from "../governing/annotations.ts";
import type { Reconciling } from "../governing/reconciling.ts";
import { progressOfFailure } from "../governing/refusals.ts";
import { writeStatus } from "../governing/status.ts";
import type { Pass, Reconciler } from "../kubernetes/controller/reconciler.ts";
import { type Tenant, tenantKind } from "./tenant.resource.ts";
import { driftOf, tenantBody } from "./tenant-body.ts";

interface Observed {
  readonly tenant: Tenant;
  readonly found: InternalTenant | undefined;
}

interface Plan {
  readonly isToPut: boolean;
  readonly drifted: readonly string[];
}

/** Makes tenants what their resources say. */
export function createTenantReconciler(
  deps: Reconciling,
): Reconciler<Observed, Plan, InternalTenant | undefined> {
  const pathOf = ({ metadata }: Tenant) => internalTenantPath(governedId("ten", metadata.uid));
  return {
    async observe(pass: Pass) {
      const tenant = deps.watched.tenants.get(pass.key);
      if (tenant === undefined || isPaused(tenant)) return undefined;
      return { tenant, found: await deps.apps.tenant.read(pathOf(tenant), InternalTenant, pass) };
    },
    decide({ tenant, found }) {
      const fields = found === undefined ? [] : driftOf(tenant.spec, found);
      const isSameGeneration = found?.generation === tenant.metadata.generation;
      return {
        isToPut: !isSameGeneration || fields.length > 0 || isForced(tenant),
        drifted: isSameGeneration ? fields : [],
      };
    },
    async apply({ isToPut, drifted }, { tenant, found }, pass) {
      if (!isToPut) return found;
      deps.drift.report(tenantKind, tenant, drifted);
      return deps.apps.tenant.put(tenant, pathOf(tenant), tenantBody(tenant.spec), InternalTenant, pass);
    },
    async report(applied, { tenant }) {
      const progress = applied.isDone
        ? ({ state: "ready", reason: "Ready", message: "The tenant is as wanted." } as const)
        : progressOfFailure(applied.error);
      await writeStatus(deps, tenantKind, deps.watched.tenants, tenant, {
        progress,
        isComplete: applied.isDone,
        fields: { tenantId: governedId("ten", tenant.metadata.uid) },
      });
      return undefined;
    },
  };
}
